package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Field describes one field of the format, for reference pages and schemas.
type Field struct {
	Path     string   // "regions[].role"
	Parent   string   // Go type that holds the field: "Region"
	Name     string   // "role"
	Type     string   // "text", "whole number", "number", "list of texts", …
	Required bool     // absent is a finding
	Default  string   // value of an absent field; "" when there is none
	Allowed  string   // what may stand here, in words
	Enum     []string // the allowed words; nil when any
	Min, Max string   // bounds of the value or of the list's length; "" when none
	Pattern  string   // regular expression of the value or of a map's values; "" when any
	Keys     string   // regular expression of a map's keys; "" when any
}

// Fields lists every field of the format in the order of the types, parents
// before their children.
func Fields() []Field { return describe(reflect.TypeFor[Spec](), "") }

func describe(t reflect.Type, prefix string) []Field {
	var out []Field
	for _, m := range metas(t) {
		f := Field{Path: join(prefix, m.name), Parent: t.Name(), Name: m.name, Type: typeName(m.typ), Required: m.required,
			Default: m.def, Allowed: m.allowed(), Enum: m.enum, Min: m.min, Max: m.max,
			Pattern: forms[m.form].pattern, Keys: forms[m.keys].pattern}
		out = append(out, f)
		elem := indirect(m.typ)
		if elem.Kind() == reflect.Slice {
			elem, f.Path = elem.Elem(), f.Path+"[]"
		}
		if elem.Kind() == reflect.Struct {
			out = append(out, describe(elem, f.Path)...)
		}
	}
	return out
}

// meta is what the struct tags say about one field.
type meta struct {
	name          string
	index         int
	typ           reflect.Type
	required      bool
	def, min, max string
	enum          []string
	form, keys    string
}

func metas(t reflect.Type) []meta {
	out := make([]meta, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		m := meta{name: name, index: i, typ: f.Type, required: f.Tag.Get("need") == "required",
			def: f.Tag.Get("default"), min: f.Tag.Get("min"), max: f.Tag.Get("max"),
			form: f.Tag.Get("form"), keys: f.Tag.Get("keys")}
		if e := f.Tag.Get("enum"); e != "" {
			m.enum = strings.Split(e, ",")
		}
		out = append(out, m)
	}
	return out
}

func names(t reflect.Type) []string {
	var out []string
	for _, m := range metas(t) {
		out = append(out, m.name)
	}
	return out
}

// secret says that a wrong value may be a secret and is never shown.
func (m meta) secret() bool { return forms[m.form].secret }

// what names a node of this field in a message.
func (m meta) what(n ast.Node) string {
	if m.secret() {
		return "something else"
	}
	return what(n)
}

// entry is the meta of one element of a list.
func (m meta) entry() meta {
	return meta{name: m.name, typ: m.typ.Elem(), enum: m.enum, form: m.form}
}

var (
	durationType = reflect.TypeFor[Duration]()
	percentType  = reflect.TypeFor[Percent]()
	numberType   = reflect.TypeFor[Number]()
)

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func typeName(t reflect.Type) string {
	t = indirect(t)
	switch {
	case t == durationType:
		return "duration"
	case t == percentType:
		return "percentage"
	case t == numberType:
		return "number"
	}
	switch t.Kind() {
	case reflect.Struct:
		return "fields"
	case reflect.Slice:
		if indirect(t.Elem()).Kind() == reflect.Struct {
			return "list of entries with fields"
		}
		return "list of " + typeName(t.Elem()) + "s"
	case reflect.Map:
		return "names with texts"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	default:
		return "text"
	}
}

// allowed says in words what may stand in the field.
func (m meta) allowed() string {
	t := indirect(m.typ)
	switch {
	case t == durationType:
		return fmt.Sprintf("a duration from %s to %s, such as 90s, 24h or 2d", m.min, m.max)
	case t == percentType:
		return fmt.Sprintf("a percentage from %s to %s, such as 1%% or 0.5%%", m.min, m.max)
	case t == numberType:
		return "a number, such as 0.5 or 250"
	}
	switch t.Kind() {
	case reflect.Struct:
		return fieldsOf(t, !m.required)
	case reflect.Slice:
		return m.allowedList()
	case reflect.Map:
		return m.allowedMap()
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return fmt.Sprintf("a whole number from %s to %s", m.min, m.max)
	default:
		return m.allowedText()
	}
}

func (m meta) allowedText() string {
	switch {
	case m.enum != nil:
		return enumerate(m.enum, "or")
	case m.form != "":
		return forms[m.form].allowed
	default:
		return "any text"
	}
}

func (m meta) allowedList() string {
	elem := indirect(m.typ.Elem())
	what := m.entry().allowedText()
	if elem.Kind() == reflect.Struct {
		what = "with " + fieldsOf(elem, false)
	}
	switch {
	case m.min != "" && m.max != "":
		return fmt.Sprintf("a list of %s to %s entries, each %s", m.min, m.max, what)
	case m.min != "":
		return fmt.Sprintf("a list of at least %s entry, each %s", m.min, what)
	case m.max != "":
		return fmt.Sprintf("a list of at most %s entries, each %s", m.max, what)
	default:
		return "a list, each entry " + what
	}
}

func (m meta) allowedMap() string {
	keys := "any text"
	if m.keys != "" {
		keys = forms[m.keys].allowed
	}
	return fmt.Sprintf("names (%s), each with a value (%s)", keys, m.allowedText())
}

// fieldsOf lists the fields of a struct. Where the struct itself may be left out and
// needs no field, {} is enough.
func fieldsOf(t reflect.Type, optional bool) string {
	list := metas(t)
	word := "the fields "
	if len(list) == 1 {
		word = "the field "
	}
	text := word + enumerate(names(t), "and")
	if optional && !slices.ContainsFunc(list, func(m meta) bool { return m.required }) {
		text += ", or {} for the defaults"
	}
	return text
}

// enumerate joins words for a reader: "a, b or c".
func enumerate(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
