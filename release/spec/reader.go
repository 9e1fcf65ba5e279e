package spec

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is a position in the file; lines and columns count from 1.
type place struct{ line, column int }

// problem is a finding before it has its file and source line.
type problem struct {
	at      place
	path    string
	missing bool // the path is not in the file; the place is its parent's
	atKey   bool // the place is the key's, not the value's
	hidden  bool // the line cannot be shown
	message string
	allowed string
}

// reader walks the YAML tree beside the Go types. It sets what it can, notes where
// everything stands, and goes on after a problem so that all of them are found.
type reader struct {
	file     string
	lines    []string
	places   map[string]place  // where the value of a path starts
	keys     map[string]place  // where the key of a path starts
	raw      map[string]string // scalars as they are written
	bad      *faults           // paths whose value could not be read
	secrets  map[int]int       // line → column from which nothing is shown, because it may be a secret
	misspelt []string          // paths that an unknown field seems to mean
	problems []problem
}

func (r *reader) given(path string, _ reflect.Value) bool { _, ok := r.places[path]; return ok }

// where is the place of a problem that was found in the values.
func (r *reader) where(p problem) place {
	path := p.path
	if at, ok := r.keys[path]; ok && p.atKey {
		return at
	}
	if at, ok := r.places[path]; ok && !p.missing {
		return at
	}
	for path != "" {
		path = parent(path)
		if at, ok := r.keys[path]; ok {
			return at
		}
		if at, ok := r.places[path]; ok {
			return at
		}
	}
	return place{1, 1}
}

func (r *reader) problem(n ast.Node, path, allowed, format string, args ...any) {
	r.bad.add(path)
	r.problems = append(r.problems, problem{at: start(n), path: path, allowed: allowed, message: fmt.Sprintf(format, args...)})
}

// document reads the one document of the file; false when there is none to read.
func (r *reader) document(f *ast.File, s *Spec) bool {
	var bodies []ast.Node
	for _, d := range f.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			bodies = append(bodies, d.Body)
		}
	}
	allowed := fieldsOf(reflect.TypeFor[Spec](), false)
	if len(bodies) == 0 {
		r.problems = append(r.problems, problem{at: place{1, 1}, message: "the file is empty; a spec is needed", allowed: allowed})
		return false
	}
	for _, extra := range bodies[1:] {
		r.problem(extra, "", "one spec in a file", "a second document starts here; put it into a file of its own")
	}
	if _, ok := bodies[0].(ast.MapNode); !ok {
		r.problem(bodies[0], "", allowed, "the file holds %s where a spec with fields is expected", what(bodies[0]))
		return false
	}
	r.places[""] = start(bodies[0])
	r.value(bodies[0], reflect.ValueOf(s).Elem(), "", meta{typ: reflect.TypeFor[Spec]()})
	return true
}

// value reads a node into v, which is of the type m.typ or what that points to.
func (r *reader) value(n ast.Node, v reflect.Value, path string, m meta) {
	r.places[path] = start(n)
	if m.secret() {
		r.hide(n, m)
	}
	if refusal := foreign(n); refusal != "" {
		r.problem(n, path, m.allowed(), "%s", refusal)
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		r.fields(n, v, path, m)
	case reflect.Slice:
		r.list(n, v, path, m)
	case reflect.Map:
		r.texts(n, v, path, m)
	default:
		r.scalar(n, v, path, m)
	}
}

func (r *reader) fields(n ast.Node, v reflect.Value, path string, m meta) {
	node, ok := n.(ast.MapNode)
	if !ok {
		r.problem(n, path, m.allowed(), "%s stands where fields are expected", m.what(n))
		return
	}
	known := metas(v.Type())
	find := func(name string) (meta, bool) {
		i := slices.IndexFunc(known, func(f meta) bool { return f.name == name })
		return known[max(0, i)], i >= 0
	}
	twice := func(key string, value ast.Node) {
		if f, ok := find(key); ok && f.secret() {
			r.hide(value, f)
		}
	}
	r.pairs(node, path, twice, func(key string, keyNode, value ast.Node) {
		if f, ok := find(key); ok {
			r.value(value, v.Field(f.index), join(path, key), f)
			return
		}
		all := names(v.Type())
		r.misspelt = append(r.misspelt, join(path, nearest(key, all)))
		if f, ok := find(nearest(key, all)); ok && f.secret() {
			r.hide(value, meta{form: f.form, typ: reflect.TypeFor[string]()})
		}
		r.problem(keyNode, join(path, key), enumerate(all, "or"), "the field is unknown%s", didYouMean(key, all))
	})
}

// pairs visits the entries of a mapping, and calls twice for a key it has met.
func (r *reader) pairs(node ast.MapNode, path string, twice func(string, ast.Node), visit func(key string, keyNode, value ast.Node)) {
	first := map[string]int{}
	for it := node.MapRange(); it.Next(); {
		k := it.Key()
		if _, ok := k.(ast.ScalarNode); !ok || k.IsMergeKey() || k.GetToken() == nil {
			r.problem(k, path, "the name of a field, then a colon", "%s cannot be the name of a field", what(k))
			continue
		}
		key, at := k.GetToken().Value, start(k)
		if line, ok := first[key]; ok {
			r.problem(k, join(path, key), "each field once", "the field is given twice; the first is on line %d", line)
			twice(key, it.Value())
			continue
		}
		first[key] = at.line
		r.keys[join(path, key)] = at
		value := it.Value()
		if value == nil {
			value = ast.Null(token.New("null", "null", k.GetToken().Position))
		}
		visit(key, k, value)
	}
}

func (r *reader) list(n ast.Node, v reflect.Value, path string, m meta) {
	node, ok := n.(*ast.SequenceNode)
	if !ok {
		r.problem(n, path, m.allowed(), "%s stands where a list is expected", m.what(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Values), len(node.Values)))
	for i, e := range node.Values {
		if e == nil {
			e = ast.Null(token.New("null", "null", node.Start.Position))
		}
		r.value(e, v.Index(i), fmt.Sprintf("%s[%d]", path, i), m.entry())
	}
}

// texts reads a mapping of names to texts. Any scalar but null counts as the text
// that is written: PORT: 8080 is "8080".
func (r *reader) texts(n ast.Node, v reflect.Value, path string, m meta) {
	node, ok := n.(ast.MapNode)
	if !ok {
		r.problem(n, path, m.allowed(), "%s stands where names with values are expected", m.what(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	entry := meta{typ: reflect.TypeFor[string](), form: m.form}
	twice := func(_ string, value ast.Node) {
		if m.secret() {
			r.hide(value, entry)
		}
	}
	r.pairs(node, path, twice, func(key string, _, value ast.Node) {
		at := join(path, key)
		text := reflect.New(reflect.TypeFor[string]()).Elem()
		if b, ok := value.(*ast.BoolNode); ok && !m.secret() {
			r.places[at], r.raw[at] = start(b), b.Token.Value
			text.SetString(b.Token.Value)
		} else {
			r.value(value, text, at, entry)
		}
		v.SetMapIndex(reflect.ValueOf(key), text)
	})
}

// hide keeps a node of a secret field out of every finding, unless it is a proper
// reference or a mapping whose entries are looked at one by one.
func (r *reader) hide(n ast.Node, m meta) {
	if n == nil {
		return
	}
	text, _ := written(n)
	_, isMap := n.(ast.MapNode)
	if matches(m.form, text) || (isMap && m.typ.Kind() == reflect.Map) {
		return
	}
	at := start(n)
	if column, ok := r.secrets[at.line]; !ok || at.column < column {
		r.secrets[at.line] = at.column
	}
}

func (r *reader) scalar(n ast.Node, v reflect.Value, path string, m meta) {
	text, isText := written(n)
	r.raw[path] = text
	wrong := func() {
		r.problem(n, path, m.allowed(), "%s stands where %s is expected%s", m.what(n), article(typeName(v.Type())), quoting(n, v.Kind()))
	}
	u, hasUnit := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch _, isBool := n.(*ast.BoolNode); {
	case v.Kind() == reflect.Bool:
		if !isBool {
			wrong()
			return
		}
		v.SetBool(n.(*ast.BoolNode).Value)
	case text == "" && !isText || isBool:
		wrong()
	case hasUnit:
		if err := u.UnmarshalText([]byte(text)); err != nil {
			r.problem(n, path, m.allowed(), "%s", err)
		}
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil || isText {
			wrong()
			return
		}
		v.SetInt(int64(i))
	default:
		v.SetString(text)
	}
}
