package spec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// MaxSize is the largest spec Decode reads, in bytes.
const MaxSize = 64 << 10

// Decode reads a spec in YAML and returns it with its defaults. It is strict, and
// its error is always a *Findings with everything that is wrong; only a syntax
// error stands alone, because nothing after it can be read. The file name is used
// in findings only; paths in the spec are left as they are written.
func Decode(file string, data []byte) (Spec, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	r := &reader{file: file, lines: splitLines(data), places: map[string]place{}, keys: map[string]place{},
		raw: map[string]string{}, bad: newFaults(), secrets: map[int]int{}}
	if bad := unreadable(data); bad != nil {
		r.problems = append(r.problems, *bad)
		return Spec{}, r.err()
	}
	tree, err := parse(data)
	if err != nil {
		r.problems = append(r.problems, syntaxProblem(err))
		return Spec{}, r.err()
	}
	var s Spec
	if !r.document(tree, &s) {
		return Spec{}, r.err()
	}
	for _, path := range r.misspelt { // told as unknown, so not told as missing again
		if _, given := r.places[path]; !given {
			r.bad.add(path)
		}
	}
	c := &checker{given: r.given, raw: r.raw, bad: r.bad}
	c.all(s)
	for _, p := range c.problems {
		p.at = r.where(p)
		r.problems = append(r.problems, p)
	}
	if err := r.err(); err != nil {
		return Spec{}, err
	}
	return s.WithDefaults(), nil
}

// Validate checks a spec that was made in Go. Its error is a *Findings without
// places. Fields with a default may be absent.
func (s Spec) Validate() error {
	c := &checker{bad: newFaults()}
	c.all(s)
	var list []Finding
	for _, p := range c.problems {
		list = append(list, Finding{Path: p.path, Message: p.message, Allowed: p.allowed})
	}
	return asError(list)
}

func splitLines(data []byte) []string {
	lines := strings.Split(string(data), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// unreadable finds what must not reach the YAML parser.
func unreadable(data []byte) *problem {
	if len(data) > MaxSize {
		return &problem{at: place{1, 1}, message: fmt.Sprintf("the file has %d bytes; a spec has at most %d", len(data), MaxSize), hidden: true}
	}
	for n, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) {
			return &problem{at: place{n + 1, 1}, message: "the line is not text in UTF-8; save the file in that encoding", hidden: true}
		}
		for i, c := range line {
			if c < ' ' && c != '\t' && (c != '\r' || i != len(line)-1) {
				return &problem{at: place{n + 1, utf8.RuneCount(line[:i]) + 1}, message: fmt.Sprintf("the line holds a control character (%#02x); remove it", c), hidden: true}
			}
		}
	}
	if depth := nesting(data); depth > maxNesting {
		return &problem{at: place{1, 1}, message: fmt.Sprintf("the file nests brackets more than %d deep; a spec never does", maxNesting), hidden: true}
	}
	return nil
}

// maxNesting bounds the recursion of the YAML parser, which has no bound of its own.
const maxNesting = 100

// nesting is the greatest number of brackets that are open at once.
func nesting(data []byte) int {
	deepest, depth := 0, 0
	for _, c := range data {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		deepest = max(deepest, depth)
	}
	return deepest
}

// parse keeps a panic of the parser from ending the program: a file that nobody
// foresaw is a finding like any other.
func parse(data []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

func syntaxProblem(err error) problem {
	p := problem{at: place{1, 1}, message: "the file is not YAML: " + err.Error()}
	var e yaml.Error
	if errors.As(err, &e) {
		p.message = "the file is not YAML: " + plain(e.GetMessage())
		if tk := e.GetToken(); tk != nil && tk.Position != nil {
			p.at = place{max(1, tk.Position.Line), max(1, tk.Position.Column)}
		}
	}
	p.message = strings.TrimSpace(strings.ReplaceAll(p.message, "\n", " "))
	return p
}

// plain puts the parser's most frequent messages into words that help.
func plain(message string) string {
	for _, m := range []struct{ contains, say string }{
		{"'\t'", "a tab cannot indent or separate; use spaces"},
		{"tab character", "a tab cannot indent or separate; use spaces"},
		{"mapping value is not allowed", "a second colon, or a field in the middle of a value; quote the value or look at the indentation"},
		{"value is not allowed in this context", "the line does not fit here; look at its indentation and that of the line above"},
		{"sequence end token ']' not found", "the list that opens here is not closed with ]"},
		{"end token '}' not found", "the mapping that opens here is not closed with }"},
		{"could not find end character of", "the quoted text that starts here does not end"},
	} {
		if strings.Contains(message, m.contains) {
			return m.say
		}
	}
	return message
}

// err turns the problems into the error of Decode.
func (r *reader) err() error {
	var list []Finding
	for _, p := range r.problems {
		f := Finding{File: r.file, Line: p.at.line, Column: p.at.column, Path: p.path, Message: p.message, Allowed: p.allowed}
		if i := p.at.line - 1; i >= 0 && i < len(r.lines) && !p.hidden {
			f.Source = r.source(i)
		}
		list = append(list, f)
	}
	return asError(list)
}

// source is one line with what may be a secret in it hidden.
func (r *reader) source(i int) string {
	line := r.lines[i]
	if column, ok := r.secrets[i+1]; ok {
		if runes := []rune(line); column <= len(runes) {
			line = string(runes[:column-1]) + "(hidden)"
		}
	}
	return line
}
