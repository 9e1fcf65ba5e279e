package spec

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// start is where a person sees the node begin.
func start(n ast.Node) place {
	var tk *token.Token
	switch n := n.(type) {
	case *ast.MappingNode:
		tk = n.Start
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return start(n.Key)
	default:
		tk = n.GetToken()
	}
	if tk == nil || tk.Position == nil {
		return place{1, 1}
	}
	return place{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

// written is the text of a scalar as the file has it; isText says that YAML reads
// it as text, not as a number. Null and everything that is not a scalar is "", false.
func written(n ast.Node) (text string, isText bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
		return "", false
	case ast.ScalarNode:
		return n.GetToken().Value, false
	default:
		return "", false
	}
}

// foreign says why a node has no place in a spec, "" when it may have one. Anchors
// and tags are left out on purpose: what is written is what holds.
func foreign(n ast.Node) string {
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		return "anchors and aliases are not read; write the value out"
	case *ast.TagNode:
		return "YAML tags are not read; write the value without it"
	case *ast.StringNode:
		// The parser drops the tab without a word.
		if n.Token.Type == token.StringType && strings.Contains(strings.TrimSpace(n.Token.Origin), "\t") {
			return "a tab in a text without quotes would be lost; put the text in quotes"
		}
		return ""
	case *ast.NullNode:
		return "the field has no value; give one or leave the field out"
	default:
		return ""
	}
}

// what names a node in a message.
func what(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.BoolNode:
		return n.Token.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	case *ast.StringNode:
		return "the text " + quote(n.Value)
	case *ast.LiteralNode:
		return "a text of several lines"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or alias"
	case *ast.MergeKeyNode:
		return "a merge key (<<)"
	default:
		return "a complex value"
	}
}

// quote quotes a text and cuts it to a length that a person reads.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "..."
	}
	return fmt.Sprintf("%q", s)
}

// quoting tells about quotes that make a value of the wrong type.
func quoting(n ast.Node, want reflect.Kind) string {
	switch n := n.(type) {
	case *ast.BoolNode:
		if want == reflect.String {
			return "; put it in quotes if it is meant as text"
		}
	case *ast.StringNode:
		if _, err := strconv.Atoi(n.Value); err == nil && want == reflect.Int {
			return "; write it without quotes"
		}
		if _, err := strconv.ParseBool(n.Value); err == nil && want == reflect.Bool {
			return "; write it without quotes"
		}
	}
	return ""
}

func article(noun string) string {
	if noun == "true or false" || noun == "text" {
		return noun
	}
	return "a " + noun
}

// parent is the path that holds the given one: "a.b[1]" → "a.b" → "a" → "".
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
