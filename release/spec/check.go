package spec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// checker looks at values: first each by itself, as its struct tags say, then
// together, as rules.go says. A value that was found wrong takes no part in
// further findings, so that one mistake is told once.
type checker struct {
	given    func(path string, v reflect.Value) bool // nil: what is not zero is given
	raw      map[string]string                       // scalars as they are written; may be nil
	bad      *faults
	problems []problem
}

func (c *checker) all(s Spec) {
	c.fields(reflect.ValueOf(s), "")
	full := s.WithDefaults()
	for _, rule := range rules {
		rule(c, full)
	}
}

func (c *checker) report(path, allowed, format string, args ...any) {
	c.bad.add(path)
	c.problems = append(c.problems, problem{path: path, allowed: allowed, message: fmt.Sprintf(format, args...)})
}

// sound says that nothing was found wrong with the paths, their parents and their
// children. Rules ask it before they compare values.
func (c *checker) sound(paths ...string) bool {
	return !slices.ContainsFunc(paths, c.bad.touch)
}

// isGiven says whether the field is in the file, or not zero without a file.
func (c *checker) isGiven(path string, v reflect.Value) bool {
	if c.given != nil {
		return c.given(path, v)
	}
	return !v.IsZero()
}

// source is " (the default)" for a value that nobody gave.
func (c *checker) source(path string, v reflect.Value) string {
	if c.given == nil || c.isGiven(path, v) {
		return ""
	}
	return " (the default)"
}

func (c *checker) fields(v reflect.Value, path string) {
	for _, m := range metas(v.Type()) {
		p, f := join(path, m.name), v.Field(m.index)
		if c.bad.at[p] {
			continue
		}
		if !c.isGiven(p, f) {
			if m.required {
				c.bad.add(p)
				c.problems = append(c.problems, problem{path: p, missing: true, allowed: m.allowed(), message: "the field is missing; it is required"})
			}
			continue
		}
		c.value(f, p, m)
	}
}

func (c *checker) value(v reflect.Value, path string, m meta) {
	if c.bad.at[path] {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		c.fields(v, path)
	case reflect.Slice:
		c.list(v, path, m)
	case reflect.Map:
		c.texts(v, path, m)
	case reflect.String:
		c.text(v.String(), path, m)
	case reflect.Int, reflect.Int64, reflect.Float64:
		c.bounds(v, path, m)
	}
}

func (c *checker) list(v reflect.Value, path string, m meta) {
	if n := v.Len(); m.min != "" && n < int(parsed(reflect.TypeFor[int](), m.min).Int()) {
		c.report(path, m.allowed(), "the list is empty; at least %s entry is needed", m.min)
	} else if m.max != "" && n > int(parsed(reflect.TypeFor[int](), m.max).Int()) {
		c.report(path, m.allowed(), "the list has %d entries; at most %s are allowed", n, m.max)
	}
	seen := map[string]bool{}
	for i := range v.Len() {
		p, e := fmt.Sprintf("%s[%d]", path, i), v.Index(i)
		c.value(e, p, m.entry())
		if e.Kind() == reflect.String && (m.enum != nil || m.form != "") && !c.bad.at[p] {
			if seen[e.String()] {
				c.report(p, "each entry once", "%s stands in the list twice", quote(e.String()))
			}
			seen[e.String()] = true
		}
	}
}

func (c *checker) texts(v reflect.Value, path string, m meta) {
	texts := v.Interface().(map[string]string)
	for _, k := range slices.Sorted(maps.Keys(texts)) {
		p := join(path, k)
		if !matches(m.keys, k) {
			c.bad.add(p)
			c.problems = append(c.problems, problem{path: p, atKey: true, allowed: forms[m.keys].allowed,
				message: fmt.Sprintf("%s is not %s", quote(k), forms[m.keys].noun)})
			continue
		}
		if !c.bad.at[p] {
			c.text(texts[k], p, meta{form: m.form})
		}
	}
}

func (c *checker) text(s, path string, m meta) {
	switch {
	case strings.ContainsRune(s, 0):
		c.report(path, m.allowedText()+", without zero bytes", "the text holds a zero byte, at which a program would stop reading it")
	case m.enum != nil:
		for _, e := range m.enum {
			if s == e {
				return
			}
		}
		c.report(path, m.allowedText(), "%s is not one of the allowed words%s", quote(s), didYouMean(s, m.enum))
	case matches(m.form, s):
	case m.secret():
		c.report(path, m.allowedText(), "the value is not a reference; a secret is never written into a spec")
	case s == "":
		c.report(path, m.allowedText(), "the text is empty")
	default:
		c.report(path, m.allowedText(), "%s is not %s", quote(s), forms[m.form].noun)
	}
}

// bounds compares a number, duration or percentage with the tags min and max.
func (c *checker) bounds(v reflect.Value, path string, m meta) {
	text, ok := c.raw[path]
	if !ok {
		text = fmt.Sprint(v.Interface())
	}
	low, high := "small", "large"
	if v.Type() == durationType {
		low, high = "short", "long"
	}
	if m.min == "" && m.max == "" { // a Number is a bound itself
		return
	}
	number := func(s string) float64 { return asNumber(parsed(v.Type(), s)) }
	switch n := asNumber(v); {
	case n < number(m.min):
		c.report(path, m.allowed(), "%s is too %s; the least is %s", text, low, m.min)
	case n > number(m.max):
		c.report(path, m.allowed(), "%s is too %s; the most is %s", text, high, m.max)
	}
}

// parsed is the text of a tag as a value of the type.
func parsed(t reflect.Type, text string) reflect.Value {
	v := reflect.New(t).Elem()
	setDefault(v, text)
	return v
}

func asNumber(v reflect.Value) float64 {
	if v.Kind() == reflect.Float64 {
		return v.Float()
	}
	return float64(v.Int())
}
