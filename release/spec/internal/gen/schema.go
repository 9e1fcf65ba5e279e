package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/switchyard/switchyard/release/spec"
)

const (
	durationPattern = `^(0|([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*)$`
	percentPattern  = `^[0-9]+(\.[0-9]+)?%$`
	numberPattern   = `^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`
	module          = "github.com/switchyard/switchyard"
)

// makeSchema reflects the types, with their doc comments as descriptions, and adds
// what the struct tags say.
func makeSchema(root string) (*jsonschema.Schema, error) {
	comments, err := readComments(root)
	if err != nil {
		return nil, err
	}
	r := jsonschema.Reflector{
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Mapper:                     units,
		LookupComment:              comments,
	}
	s := r.Reflect(&spec.Spec{})
	s.ID = "https://github.com/switchyard/switchyard/raw/main/docs/spec.schema.json"
	s.Title = "Switchyard release spec " + spec.APIVersion
	definitions := map[string]*jsonschema.Schema{"Spec": s}
	for name, d := range s.Definitions {
		definitions[name] = d
	}
	seen := map[string]bool{}
	for _, f := range spec.Fields() {
		// A type that stands in several places has one definition.
		id := f.Parent + "." + f.Name
		if seen[id] {
			continue
		}
		seen[id] = true
		d := definitions[f.Parent]
		p, ok := d.Properties.Get(f.Name)
		if !ok {
			return nil, fmt.Errorf("the schema has no property %s of %s; the json and yaml names differ", f.Name, f.Parent)
		}
		if f.Required && !slices.Contains(d.Required, f.Name) {
			d.Required = append(d.Required, f.Name)
		}
		constrain(p, f)
	}
	combine(definitions)
	return s, nil
}

// readComments finds doc comments by type and field, each on one line.
func readComments(root string) (func(reflect.Type, string) string, error) {
	var r jsonschema.Reflector
	dir := filepath.Join(root, "release", "spec")
	if err := r.AddGoComments("", dir, jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("read the doc comments in %s: %w", dir, err)
	}
	byName := map[string]string{}
	for key, text := range r.CommentMap {
		if rest, ok := strings.CutPrefix(filepath.ToSlash(key), filepath.ToSlash(dir)+"."); ok {
			byName[rest] = strings.Join(strings.Fields(text), " ")
		}
	}
	return func(t reflect.Type, field string) string {
		if t.PkgPath() != module+"/release/spec" {
			return ""
		}
		name := t.Name()
		if field != "" {
			name += "." + field
		}
		return byName[name]
	}, nil
}

// units maps the types that are written as text.
func units(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[spec.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	case reflect.TypeFor[spec.Percent]():
		return &jsonschema.Schema{Type: "string", Pattern: percentPattern}
	case reflect.TypeFor[spec.Number](): // as text, too, which is how Switchyard writes it
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "number"}, {Type: "string", Pattern: numberPattern}}}
	default:
		return nil
	}
}

// constrain adds to a property what the tags say about the field.
func constrain(p *jsonschema.Schema, f spec.Field) {
	if f.Default != "" {
		if err := json.Unmarshal([]byte(f.Default), &p.Default); err != nil {
			p.Default = f.Default
		}
	}
	value := p
	switch {
	case p.Type == "array":
		if value = p.Items; f.Enum != nil {
			p.UniqueItems = true
		}
		p.MinItems, p.MaxItems = count(f.Min), count(f.Max)
	case p.Type == "object":
		p.AdditionalProperties = &jsonschema.Schema{Type: "string", Pattern: f.Pattern}
		if f.Pattern == "" { // any scalar counts as the text that is written
			p.AdditionalProperties = &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
		}
		if f.Keys != "" {
			p.PropertyNames = &jsonschema.Schema{Pattern: f.Keys}
		}
		return
	case p.Type == "integer":
		p.Minimum, p.Maximum = json.Number(f.Min), json.Number(f.Max)
	}
	for _, e := range f.Enum {
		value.Enum = append(value.Enum, e)
	}
	if f.Pattern != "" {
		value.Pattern = f.Pattern
	}
	if f.Type == "duration" || f.Type == "percentage" {
		p.Description += fmt.Sprintf(" From %s to %s.", f.Min, f.Max)
	}
}

func count(text string) *uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func encode(s *jsonschema.Schema) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("encode the schema: %w", err)
	}
	return b.Bytes(), nil
}
