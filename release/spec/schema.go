package spec

import (
	"bytes"
	_ "embed" // the schema is generated into this folder
)

//go:embed spec.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the format, for editors and CI. It
// knows types, words, bounds and forms; Decode knows the contradictions too. It is
// generated from the types: go generate ./release/spec
func Schema() []byte { return bytes.Clone(schema) }
