package terraform_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/switchyard/switchyard/release/spec"
)

// module is what one folder of Terraform files declares and refers to.
type module struct {
	dir       string
	variables map[string]*hclsyntax.Block
	outputs   map[string]*hclsyntax.Block
	calls     map[string]*hclsyntax.Block // of other modules
	resources map[string]*hclsyntax.Block // "aws_lb.this", "data.aws_region.current"
	locals    map[string]bool
	used      map[string]string // reference → where; "var.port", "local.short", "aws_lb.this", ...
}

func load(t *testing.T, dir string) module {
	t.Helper()
	m := module{dir: dir, variables: map[string]*hclsyntax.Block{}, outputs: map[string]*hclsyntax.Block{}, calls: map[string]*hclsyntax.Block{},
		resources: map[string]*hclsyntax.Block{}, locals: map[string]bool{}, used: map[string]string{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	parser := hclparse.NewParser()
	for _, f := range files {
		file, diags := parser.ParseHCLFile(f)
		require.False(t, diags.HasErrors(), diags.Error())
		body, ok := file.Body.(*hclsyntax.Body)
		require.True(t, ok)
		for _, b := range body.Blocks {
			m.declare(t, b)
		}
		m.refer(body)
	}
	return m
}

func (m module) declare(t *testing.T, b *hclsyntax.Block) {
	t.Helper()
	into := map[string]map[string]*hclsyntax.Block{"variable": m.variables, "output": m.outputs, "module": m.calls, "resource": m.resources, "data": m.resources}
	switch b.Type {
	case "locals":
		for name := range b.Body.Attributes {
			require.False(t, m.locals[name], "%s: local %s is declared twice", b.Range(), name)
			m.locals[name] = true
		}
	case "terraform", "provider":
	default:
		name := strings.Join(b.Labels, ".")
		if b.Type == "data" {
			name = "data." + name
		}
		require.Contains(t, into, b.Type, "%s: an unknown kind of block", b.Range())
		require.NotContains(t, into[b.Type], name, "%s: declared twice", b.Range())
		into[b.Type][name] = b
	}
}

// refer collects what the expressions of a body refer to. Names that only hold inside of
// an expression or a dynamic block are no references.
func (m module) refer(body *hclsyntax.Body) {
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		expr, ok := n.(*hclsyntax.ScopeTraversalExpr)
		if !ok {
			return nil
		}
		if name := reference(expr.Traversal); name != "" {
			m.used[name] = expr.Range().String()
		}
		return nil
	})
}

func reference(tr hcl.Traversal) string {
	names := []string{tr.RootName()}
	for _, step := range tr[1:] {
		attr, ok := step.(hcl.TraverseAttr)
		if !ok {
			break
		}
		names = append(names, attr.Name)
	}
	length := map[string]int{"var": 2, "local": 2, "module": 3, "data": 3}[names[0]]
	switch {
	case length > 0 && len(names) >= length:
		return strings.Join(names[:length], ".")
	case strings.HasPrefix(names[0], "aws_") && len(names) >= 2:
		return strings.Join(names[:2], ".")
	}
	return ""
}

// dirs are the module and every example, each a module of its own.
func dirs(t *testing.T) []string {
	t.Helper()
	examples, err := filepath.Glob("examples/*")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	return append([]string{"."}, examples...)
}

func TestEveryReferenceIsToSomethingDeclaredAndNothingIsUnused(t *testing.T) {
	for _, dir := range dirs(t) {
		m := load(t, dir)
		for ref, at := range m.used {
			kind, name, _ := strings.Cut(ref, ".")
			switch kind {
			case "var":
				assert.Contains(t, slices.Collect(maps.Keys(m.variables)), name, at)
			case "local":
				assert.Contains(t, slices.Collect(maps.Keys(m.locals)), name, at)
			case "module":
				call, output, _ := strings.Cut(name, ".")
				require.Contains(t, m.calls, call, at)
				assert.Contains(t, slices.Collect(maps.Keys(load(t, source(t, m, call)).outputs)), output, at)
			default:
				assert.Contains(t, slices.Collect(maps.Keys(m.resources)), ref, at)
			}
		}
		for name := range m.variables {
			assert.Contains(t, m.used, "var."+name, "variable %s of %s has no effect", name, dir)
		}
		for name := range m.locals {
			assert.Contains(t, m.used, "local."+name, "local %s of %s has no effect", name, dir)
		}
	}
}

func TestEveryVariableAndOutputSaysWhatItIsFor(t *testing.T) {
	for _, dir := range dirs(t) {
		m := load(t, dir)
		for kind, blocks := range map[string]map[string]*hclsyntax.Block{"variable": m.variables, "output": m.outputs} {
			for name, b := range blocks {
				require.Contains(t, b.Body.Attributes, "description", "%s %s of %s", kind, name, dir)
				v, diags := b.Body.Attributes["description"].Expr.Value(nil)
				require.False(t, diags.HasErrors(), diags.Error())
				assert.True(t, strings.HasSuffix(v.AsString(), "."), "%s %s of %s: a description is a sentence", kind, name, dir)
				if kind == "variable" {
					assert.Contains(t, b.Body.Attributes, "type", "variable %s of %s", name, dir)
				}
			}
		}
	}
}

// source is the folder of a called module.
func source(t *testing.T, m module, call string) string {
	t.Helper()
	v, diags := m.calls[call].Body.Attributes["source"].Expr.Value(nil)
	require.False(t, diags.HasErrors(), diags.Error())
	return filepath.Join(m.dir, v.AsString())
}

func TestExamplesGiveTheModuleWhatItTakes(t *testing.T) {
	for _, dir := range dirs(t)[1:] {
		m := load(t, dir)
		require.NotEmpty(t, m.calls, dir)
		for name, b := range m.calls {
			takes := load(t, source(t, m, name)).variables
			for arg, a := range b.Body.Attributes {
				if arg != "source" {
					assert.Contains(t, slices.Collect(maps.Keys(takes)), arg, a.Range().String())
				}
			}
			for v, declared := range takes {
				if _, hasDefault := declared.Body.Attributes["default"]; !hasDefault {
					assert.Contains(t, b.Body.Attributes, v, "%s: module %s is not given what it needs", dir, name)
				}
			}
		}
	}
}

// TestTerraformLeavesTheWeightsToSwitchyard holds every weighted forward action to a
// lifecycle that ignores it.
func TestTerraformLeavesTheWeightsToSwitchyard(t *testing.T) {
	weighted := 0
	for name, b := range load(t, ".").resources {
		action := map[string]string{"aws_lb_listener": "default_action", "aws_lb_listener_rule": "action"}[b.Labels[0]]
		if action == "" || !hasWeights(b.Body) {
			continue
		}
		weighted++
		assert.Equal(t, []string{action}, ignored(b.Body), "%s would be set back by every apply", name)
	}
	assert.Equal(t, 2, weighted, "the listener of one's own and the rule of an existing one")
}

func hasWeights(body *hclsyntax.Body) bool {
	if _, ok := body.Attributes["weight"]; ok {
		return true
	}
	return slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool { return hasWeights(b.Body) })
}

func ignored(body *hclsyntax.Body) []string {
	var out []string
	for _, b := range body.Blocks {
		if a := b.Body.Attributes["ignore_changes"]; b.Type == "lifecycle" && a != nil {
			for _, v := range a.Expr.Variables() {
				out = append(out, v.RootName())
			}
		}
	}
	return out
}

// TestTheSnippetIsAValidPartOfASpec renders the module's templates and reads a spec with them.
func TestTheSnippetIsAValidPartOfASpec(t *testing.T) {
	const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	list := func(texts ...string) cty.Value {
		var out []cty.Value
		for _, s := range texts {
			out = append(out, cty.StringVal(s))
		}
		return cty.TupleVal(out)
	}
	for name, optional := range map[string]struct{ key, id cty.Value }{
		"all":     {cty.StringVal("arn:aws:kms:eu-west-1:123456789012:key/0123abcd"), cty.StringVal("checkout-production")},
		"minimal": {cty.NullVal(cty.String), cty.NullVal(cty.String)},
	} {
		t.Run(name, func(t *testing.T) {
			entry := render(t, "spec_region.tftpl", map[string]cty.Value{
				"region": cty.StringVal("eu-west-1"), "listener": cty.StringVal(arn + "listener/app/checkout/0123456789abcdef/0123456789abcdef"),
				"target_groups":   list(arn+"targetgroup/checkout-a/0123456789abcdef", arn+"targetgroup/checkout-b/0123456789abcdef"),
				"subnets":         list("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
				"security_groups": list("sg-0123456789abcdef0"), "kms_key": optional.key,
			})
			snippet := render(t, "spec_aws.tftpl", map[string]cty.Value{
				"role": cty.StringVal("arn:aws:iam::123456789012:role/switchyard/worker/checkout-production-worker"), "external_id": optional.id,
				"instance_type": cty.StringVal("m7g.large"), "instance_profile": cty.StringVal("checkout-production-instance"),
				"port": cty.NumberIntVal(8080), "region_entry": cty.StringVal(strings.TrimSuffix(entry, "\n")),
			})
			second := strings.ReplaceAll(entry, "eu-west-1", "eu-central-1")
			s, err := spec.Decode("release.yaml", []byte(`apiVersion: switchyard/v1
application: checkout
environment: production
version: 1.4.2
image: {existing: ami-0123456789abcdef0}
fleet: {instances: 3, command: [/usr/local/bin/checkout]}
`+snippet+second))
			require.NoError(t, err, snippet)
			assert.Equal(t, spec.PlatformAWS, s.Platform)
			assert.Equal(t, 8080, s.AWS.Port)
			require.Len(t, s.Regions, 2)
			assert.Equal(t, arn+"targetgroup/checkout-b/0123456789abcdef", s.Regions[0].AWS.TargetGroups[1])
			assert.Equal(t, name == "all", s.Regions[0].AWS.KMSKey != "")
			assert.Equal(t, name == "all", s.AWS.ExternalID != "")
		})
	}
}

func render(t *testing.T, file string, vars map[string]cty.Value) string {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	expr, diags := hclsyntax.ParseTemplate(src, file, hcl.InitialPos)
	require.False(t, diags.HasErrors(), diags.Error())
	v, diags := expr.Value(&hcl.EvalContext{Variables: vars})
	require.False(t, diags.HasErrors(), diags.Error())
	return v.AsString()
}

// TestTheOutputsFillTheTemplates compares what the outputs give with what the templates take.
func TestTheOutputsFillTheTemplates(t *testing.T) {
	src, err := os.ReadFile("outputs.tf")
	require.NoError(t, err)
	file, diags := hclsyntax.ParseConfig(src, "outputs.tf", hcl.InitialPos)
	require.False(t, diags.HasErrors(), diags.Error())
	given := map[string][]string{}
	body, ok := file.Body.(*hclsyntax.Body)
	require.True(t, ok)
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && call.Name == "templatefile" {
			name := string(call.Args[0].Range().SliceBytes(src))
			for _, item := range call.Args[1].(*hclsyntax.ObjectConsExpr).Items {
				given[name] = append(given[name], hcl.ExprAsKeyword(item.KeyExpr))
			}
		}
		return nil
	})
	require.Len(t, given, 2)
	for _, file := range []string{"spec_region.tftpl", "spec_aws.tftpl"} {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		expr, diags := hclsyntax.ParseTemplate(src, file, hcl.InitialPos)
		require.False(t, diags.HasErrors(), diags.Error())
		taken := map[string]bool{}
		for _, v := range expr.Variables() {
			taken[v.RootName()] = true
		}
		assert.ElementsMatch(t, given[fmt.Sprintf(`"${path.module}/%s"`, file)], slices.Collect(maps.Keys(taken)), file)
	}
}

// TestThePoliciesHaveWhatTheModuleNarrows finds in the files what worker_role.tf puts names
// in the place of; else they would stay as wide as they are, and nobody would notice.
func TestThePoliciesHaveWhatTheModuleNarrows(t *testing.T) {
	tf, err := os.ReadFile("worker_role.tf")
	require.NoError(t, err)
	for file, texts := range map[string][]string{
		"switchyard.json": {`switchyard:application": "*"`, `arn:aws:iam::*:role/switchyard/instance/*`},
		"kms.json":        {`arn:aws:kms:*:*:key/*`},
		"packer.json":     {},
	} {
		policy, err := os.ReadFile(filepath.Join("..", "iam", file))
		require.NoError(t, err)
		assert.Contains(t, string(tf), `"`+strings.TrimSuffix(file, ".json")+`"`)
		for _, text := range texts {
			assert.Contains(t, string(policy), text, file)
			assert.Contains(t, string(tf), strings.ReplaceAll(text, `"`, `\"`), "worker_role.tf")
		}
	}
}
