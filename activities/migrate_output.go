package activities

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

const (
	hidden    = "<secret>"
	minSecret = 3        // bytes; anything shorter stands in ordinary words everywhere and hides nothing
	maxRaw    = 64 << 10 // bytes that are held of an output, besides a margin for its secrets
)

// ending keeps the end of what is written to it and gives it back without the secrets.
type ending struct {
	hide   *strings.Replacer
	margin int // in which a secret may stand of which only a part was kept
	kept   []byte
	cut    bool
}

// newEnding hides the secrets, also where they were encoded for a URL or in base64,
// and the password of one that is a URL.
func newEnding(secrets ...string) *ending {
	var forms []string
	add := func(form string) {
		if len(form) >= minSecret {
			forms = append(forms, form)
		}
	}
	for _, secret := range secrets {
		values := append([]string{secret}, strings.Split(secret, "\n")...)
		if u, err := url.Parse(strings.TrimSpace(secret)); err == nil && u.User != nil {
			password, _ := u.User.Password()
			values = append(values, password)
		}
		for _, value := range values {
			value = strings.TrimSpace(value)
			add(value)
			add(url.QueryEscape(value))
			add(url.PathEscape(value))
			add(base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
	// The longest first, so that no part of a secret stays because a shorter form matched.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	e := &ending{}
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, hidden)
		e.margin = max(e.margin, len(form)*(1+len(hidden)/minSecret))
	}
	e.hide = strings.NewReplacer(pairs...)
	return e
}

// Write takes all of p in.
func (e *ending) Write(p []byte) (int, error) {
	e.kept = append(e.kept, p...)
	if limit := maxRaw + e.margin; len(e.kept) > 2*limit {
		e.kept, e.cut = slices.Clone(e.kept[len(e.kept)-limit:]), true
	}
	return len(p), nil
}

// String is the end of the output, at most maxOutput bytes.
func (e *ending) String() string {
	text := e.hide.Replace(string(e.kept))
	if e.cut {
		text = text[min(len(text), e.margin):]
	}
	text = strings.TrimSpace(text)
	if over := len(text) - maxOutput; over > 0 {
		text = "…" + text[over+len("…"):]
	}
	return strings.ToValidUTF8(text, "")
}
