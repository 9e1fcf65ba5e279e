package spec

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
)

// WithDefaults returns a copy of the spec in which every absent field has its
// default, including the gate before the switch, the health check and the batches of
// strategy rolling. The checks of the soak and of the analysis stay absent, which means
// those of verification. It changes nothing that is given, and applied twice it is the
// same as once.
func (s Spec) WithDefaults() Spec {
	r := filled(s)
	if r.Gates == nil {
		r.Gates = []Gate{filled(Gate{Before: BeforeSwitch})}
	}
	for i := range r.Regions {
		if r.Regions[i].Instances == 0 {
			r.Regions[i].Instances = r.Fleet.Instances
		}
	}
	if r.Verification.Checks == nil {
		r.Verification.Checks = []Check{filled(Check{Name: "health", HTTP: &HTTPCheck{Path: r.Fleet.HealthPath}})}
	}
	if r.Traffic.Strategy == RollingBy && r.Traffic.Rolling == nil {
		rolling := filled(Rolling{})
		r.Traffic.Rolling = &rolling
	}
	return r
}

// filled is a part of a spec with its defaults.
func filled[T any](part T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	fill(out, reflect.ValueOf(part))
	return out.Interface().(T)
}

// fill copies the struct src into dst, deeply, and sets the defaults of zero fields.
// Empty lists become nil so that a spec has one form only; gates are the exception,
// because there an empty list means something.
func fill(dst, src reflect.Value) {
	for _, m := range metas(src.Type()) {
		from, to := src.Field(m.index), dst.Field(m.index)
		to.Set(clone(from))
		if m.def != "" && from.IsZero() {
			setDefault(to, m.def)
		}
	}
}

func clone(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Struct:
		fill(out, v)
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(clone(v.Elem()))
		}
	case reflect.Slice:
		if v.Len() > 0 || (v.Type() == reflect.TypeFor[[]Gate]() && !v.IsNil()) {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(clone(v.Index(i)))
			}
		}
	case reflect.Map:
		if v.Len() > 0 {
			out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for _, k := range v.MapKeys() {
				out.SetMapIndex(k, v.MapIndex(k))
			}
		}
	default:
		out.Set(v)
	}
	return out
}

// setDefault parses the text of a `default` tag into v. A tag that does not parse
// is a fault of this package and found by every test, hence the panic.
func setDefault(v reflect.Value, text string) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	var err error
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		err = u.UnmarshalText([]byte(text))
	} else if v.Kind() == reflect.Int {
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
	} else if v.Kind() == reflect.Bool {
		var b bool
		b, err = strconv.ParseBool(text)
		v.SetBool(b)
	} else {
		v.SetString(text)
	}
	if err != nil {
		panic(fmt.Sprintf("default %q of a %s: %v", text, v.Type(), err))
	}
}
