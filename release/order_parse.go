package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

const (
	maxOrderBytes    = 16 << 10
	maxNameLength    = 200  // of every field but the comment
	maxCommentLength = 1000 // taken orders stay in the state, which has to fit into one payload
)

// ParseOrder reads the body of an order strictly. The error says what is wrong and
// what a good body looks like; a bad body harms nothing. Decoding bytes into a
// struct without maps is deterministic, which workflowcheck can't see.
//
//workflowcheck:ignore
func ParseOrder(kind OrderKind, body []byte) (Order, error) {
	o := Order{Kind: kind}
	bad := func(format string, args ...any) (Order, error) {
		return Order{Kind: kind, By: o.By}, fmt.Errorf("%s: %s; send a body like %s", kind, fmt.Sprintf(format, args...), exampleBody(kind))
	}
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0 || string(body) == "null":
		return bad("the body is empty")
	case len(body) > maxOrderBytes:
		return bad("the body is %d bytes long, at most %d are read", len(body), maxOrderBytes)
	case body[0] != '{':
		return bad("the body is not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return bad("%s", plainJSONError(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("there is more after the JSON object")
	}
	o.By, o.Gate, o.Plan = strings.TrimSpace(o.By), strings.TrimSpace(o.Gate), strings.TrimSpace(o.Plan)
	if wrong := o.wrong(); wrong != "" {
		return bad("%s", wrong)
	}
	return o, nil
}

// wrong says what is wrong with the fields of the body, "" when nothing is.
func (o Order) wrong() string {
	switch {
	case o.By == "":
		return `"by" is missing: who gives this order?`
	case strings.ContainsFunc(o.By, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return fmt.Sprintf(`"by" is %q: it has characters that nobody can see`, clip(o.By, maxNameLength))
	case o.tooLong() != "":
		return o.tooLong()
	case o.For != 0 && o.Kind != OrderExtendSoak:
		return `"for" belongs to extend-soak only`
	case o.For <= 0 && o.Kind == OrderExtendSoak:
		return `"for" is missing: how much longer?`
	case o.Kind == OrderOverride && o.Plan != "":
		return `"plan" belongs to approve and reject only`
	case o.Kind == OrderOverride:
		return o.wrongOverride()
	case (o.Gate != "" || o.Plan != "") && o.Kind != OrderApprove && o.Kind != OrderReject:
		return `"gate" and "plan" belong to approve and reject only`
	}
	return ""
}

func (o Order) tooLong() string {
	for _, f := range []struct {
		name, value string
		most        int
	}{
		{"by", o.By, maxNameLength}, {"id", o.ID, maxNameLength}, {"gate", o.Gate, maxNameLength},
		{"plan", o.Plan, maxNameLength}, {"comment", o.Comment, maxCommentLength},
	} {
		if len(f.value) > f.most {
			return fmt.Sprintf("%q is %d bytes long, at most %d are taken", f.name, len(f.value), f.most)
		}
	}
	return ""
}

// clip shortens a text to at most n bytes, and says so with an ellipsis.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

func exampleBody(kind OrderKind) string {
	switch kind {
	case OrderApprove:
		return `{"by": "ada", "gate": "switch", "plan": "sha256:…"}`
	case OrderExtendSoak:
		return `{"by": "ada", "for": "2h"}`
	case OrderOverride:
		return `{"by": "ada", "gate": "window", "comment": "why"}`
	default:
		return `{"by": "ada", "comment": "why"}`
	}
}

func plainJSONError(err error) string {
	var syn *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syn):
		return fmt.Sprintf("not JSON: %s at byte %d", syn.Error(), syn.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "not JSON: it ends in the middle"
	case errors.As(err, &typ):
		want := "text"
		if typ.Field == "for" {
			want = `text with a unit, like "2h"`
		}
		return fmt.Sprintf("%q is of type %s, it has to be %s", typ.Field, typ.Value, want)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		field := strings.TrimPrefix(err.Error(), "json: unknown field ")
		return fmt.Sprintf("unknown field %s; known are by, comment, gate, plan, for, id", clip(field, maxNameLength))
	}
	return err.Error()
}
