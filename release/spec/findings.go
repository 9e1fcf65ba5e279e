package spec

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing that is wrong with a spec.
type Finding struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`    // from 1; 0 when the spec did not come from a file
	Column  int    `json:"column,omitempty"`  // from 1, counted in characters
	Path    string `json:"path,omitempty"`    // "regions[0].role"; empty when it is about the whole file
	Message string `json:"message"`           // what is wrong and why
	Allowed string `json:"allowed,omitempty"` // what may stand there
	Source  string `json:"source,omitempty"`  // the line, with values that may be secrets hidden
}

// String is "file:line:column: path: message", the line with a caret under the
// place, and what is allowed.
func (f Finding) String() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Message)
	if f.Source != "" {
		gutter := fmt.Sprintf("%5d | ", f.Line)
		line, column := excerpt(f.Source, f.Column)
		fmt.Fprintf(&b, "\n%s%s\n%s| %s^", gutter, line, strings.Repeat(" ", len(gutter)-2), indentTo(line, column))
	}
	if f.Allowed != "" {
		b.WriteString("\n  allowed: " + f.Allowed)
	}
	return b.String()
}

// excerpt is the part of a line around the column that fits on a screen, and the
// column in it. Most lines are short enough as they are.
func excerpt(line string, column int) (string, int) {
	const whole, before, after = 160, 80, 60
	runes := []rune(line)
	if len(runes) <= whole {
		return line, column
	}
	if end := column + after; end < len(runes) {
		runes = append(runes[:end:end], []rune(" …")...)
	}
	if skip := column - before; skip > 0 && skip < len(runes) {
		runes, column = append([]rune("… "), runes[skip:]...), column-skip+2
	}
	return string(runes), column
}

// indentTo is white space as wide as the text before the column; tabs stay tabs.
func indentTo(line string, column int) string {
	var b strings.Builder
	n := 1
	for _, r := range line {
		if n >= column {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	b.WriteString(strings.Repeat(" ", max(0, column-n)))
	return b.String()
}

// Findings is the error of a spec that is wrong: everything that is, in the order
// of the file.
type Findings struct {
	List []Finding `json:"findings"`
}

// Error is every finding in full, with an empty line between them.
func (f *Findings) Error() string {
	texts := make([]string, len(f.List))
	for i, x := range f.List {
		texts[i] = x.String()
	}
	return strings.Join(texts, "\n\n")
}

// maxFindings bounds the size of the error. A spec with more is not one.
const maxFindings = 1000

// asError is nil when nothing was found.
func asError(list []Finding) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if more := len(list) - maxFindings; more > 0 {
		list = append(list[:maxFindings:maxFindings], Finding{File: list[0].File, Message: fmt.Sprintf("and %d more findings", more)})
	}
	return &Findings{List: list}
}
