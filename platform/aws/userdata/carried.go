package userdata

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
)

// ErrUnsupported is wrapped when user data is of a kind that can't stand beside a boot hook.
var ErrUnsupported = errors.New("this user data can't be carried over")

// carry adds user data of somebody else's making as a part. cloud-init looks at what
// plain text begins with, and unpacks what is compressed or multipart itself:
// docs.cloud-init.io/en/latest/explanation/format/index.html.
func carry(w *multipart.Writer, extra []byte) error {
	header := textproto.MIMEHeader{"Content-Disposition": {"attachment; filename=\"" + carriedPart + "\""}}
	if m, kind := message(extra); m != nil && strings.HasPrefix(kind, "multipart/") {
		header.Set("Content-Type", m.Header.Get("Content-Type"))
		part, err := w.CreatePart(header)
		if err == nil {
			_, err = io.Copy(part, m.Body)
		}
		return err
	}
	header.Set("Content-Type", "text/plain; charset=\"utf-8\"")
	if bytes.HasPrefix(extra, []byte{0x1f, 0x8b}) {
		header.Set("Content-Type", "application/gzip")
	}
	header.Set("Content-Transfer-Encoding", "base64")
	part, err := w.CreatePart(header)
	if err == nil {
		_, err = part.Write(lines(base64.StdEncoding.EncodeToString(extra)))
	}
	return err
}

// lines breaks base64 text as RFC 2045 asks for.
func lines(s string) []byte {
	var b bytes.Buffer
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	b.WriteString(s)
	return b.Bytes()
}

// Extra is the part of user data that is not Switchyard's: all of it when somebody
// else made it, what was carried over when Switchyard did.
func Extra(data []byte) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if strings.HasPrefix(strings.TrimSpace(string(data)), "<") {
		return nil, fmt.Errorf("%w: it is for Windows, where cloud-init does not run", ErrUnsupported)
	}
	parts, ours, err := partsOf(data)
	if err != nil {
		return nil, err
	}
	if !ours {
		return data, nil
	}
	p, ok := parts[carriedPart]
	if !ok {
		return nil, nil
	}
	if kind := p.header.Get("Content-Type"); strings.HasPrefix(kind, "multipart/") {
		return append([]byte("Content-Type: "+kind+"\nMIME-Version: 1.0\n\n"), p.body...), nil
	}
	return base64.StdEncoding.DecodeString(strings.ReplaceAll(string(p.body), "\r\n", ""))
}

type part struct {
	header textproto.MIMEHeader
	body   []byte
}

// partsOf takes Switchyard's user data apart, by file name; ours is false for anybody else's.
func partsOf(data []byte) (parts map[string]part, ours bool, err error) {
	m, kind := message(data)
	if m == nil || !strings.HasPrefix(kind, "multipart/") {
		return nil, false, nil
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || params["boundary"] != boundary {
		return nil, false, nil
	}
	parts = map[string]part{}
	for r := multipart.NewReader(m.Body, boundary); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, true, nil
		}
		if err != nil {
			return nil, true, fmt.Errorf("take Switchyard's user data apart: %w", err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, true, fmt.Errorf("take Switchyard's user data apart: %w", err)
		}
		parts[p.FileName()] = part{header: p.Header, body: body}
	}
}

// message reads data as a MIME message; nil when it is none.
func message(data []byte) (*mail.Message, string) {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return nil, ""
	}
	kind, _, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return nil, ""
	}
	return m, kind
}
