package fleets

import (
	"fmt"
	"reflect"
)

// convert copies every set field of src, a pointer to a struct that AWS answers with,
// into dst, a pointer to the struct that AWS takes for the same thing. Both have the
// same fields mostly, of types named differently. A set field that dst lacks is an
// error that names it: settings must not be lost silently, also not those that a later
// version of the SDK adds.
func convert(dst, src any) error {
	return copyValue(reflect.ValueOf(dst), reflect.ValueOf(src), "")
}

func copyValue(dst, src reflect.Value, path string) error {
	if src.IsZero() {
		return nil
	}
	switch {
	case src.Kind() != dst.Kind():
		return fmt.Errorf("%s can't be carried over: AWS answers with %s and takes %s", path, src.Type(), dst.Type())
	case src.Type() == dst.Type() && src.Kind() != reflect.Pointer && src.Kind() != reflect.Slice:
		dst.Set(src)
	case src.Kind() == reflect.Pointer:
		if dst.IsNil() {
			dst.Set(reflect.New(dst.Type().Elem()))
		}
		return copyValue(dst.Elem(), src.Elem(), path)
	case src.Kind() == reflect.Slice:
		dst.Set(reflect.MakeSlice(dst.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			if err := copyValue(dst.Index(i), src.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case src.Kind() == reflect.Struct:
		return copyFields(dst, src, path)
	case src.Type().ConvertibleTo(dst.Type()):
		dst.Set(src.Convert(dst.Type()))
	default:
		return fmt.Errorf("%s can't be carried over: AWS answers with %s and takes %s", path, src.Type(), dst.Type())
	}
	return nil
}

func copyFields(dst, src reflect.Value, path string) error {
	for i := range src.NumField() {
		field := src.Type().Field(i)
		if !field.IsExported() || src.Field(i).IsZero() {
			continue
		}
		at := field.Name
		if path != "" {
			at = path + "." + field.Name
		}
		to := dst.FieldByName(field.Name)
		if !to.IsValid() {
			return fmt.Errorf("%s can't be carried over: AWS does not take it back", at)
		}
		if err := copyValue(to, src.Field(i), at); err != nil {
			return err
		}
	}
	return nil
}

// rewrite gives every string in v, a pointer, to change and keeps what it answers. at
// is the name of the field that the string is in; of a dimension's value, it is the
// dimension's name.
func rewrite(v any, change func(at, s string) string) {
	rewriteValue(reflect.ValueOf(v), "", change)
}

func rewriteValue(v reflect.Value, at string, change func(at, s string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			rewriteValue(v.Elem(), at, change)
		}
	case reflect.Slice:
		for i := range v.Len() {
			rewriteValue(v.Index(i), at, change)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case !f.IsExported():
			case f.Name == "Value" && dimensionOf(v) != "":
				rewriteValue(v.Field(i), dimensionOf(v), change)
			default:
				rewriteValue(v.Field(i), f.Name, change)
			}
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(change(at, v.String()))
		}
	}
}

// dimensionOf is the name of a dimension of CloudWatch, or of Auto Scaling's own type
// for it; "" for anything else.
func dimensionOf(v reflect.Value) string {
	f := v.FieldByName("Name")
	if !f.IsValid() {
		return ""
	}
	if name, ok := f.Interface().(*string); ok && name != nil {
		return *name
	}
	return ""
}
