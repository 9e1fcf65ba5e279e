package packer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// environment is what Packer runs with: quiet, offline, with a short TMPDIR, and with
// the values that must not stand in its command line.
func (a *attempt) environment() []string {
	b := a.bake
	env := b.Env
	if env == nil {
		env = Inherited()
	}
	v := b.Release
	own := map[string]string{
		"CHECKPOINT_DISABLE": "1",
		"PACKER_NO_COLOR":    "1",
		"PACKER_PLUGIN_PATH": b.PluginDir,
		"PACKER_CONFIG_DIR":  filepath.Join(a.dir, "config"),
		"PACKER_CACHE_DIR":   filepath.Join(a.dir, "cache"),
		"TMPDIR":             a.temp,

		"PKR_VAR_switchyard_release":      v.Release,
		"PKR_VAR_switchyard_application":  v.Application,
		"PKR_VAR_switchyard_environment":  v.Environment,
		"PKR_VAR_switchyard_version":      v.Version,
		"PKR_VAR_switchyard_commit":       v.Commit,
		"PKR_VAR_switchyard_created":      v.Created,
		"PKR_VAR_switchyard_input_digest": v.InputDigest,
		"PKR_VAR_switchyard_store":        v.Store,
		"PKR_VAR_switchyard_receipt":      a.receiptPath(),
		"PKR_VAR_switchyard_endpoint":     v.Endpoint,
	}
	maps.Copy(own, v.optional())
	for name, value := range b.Secrets {
		own["PKR_VAR_"+name] = value
	}
	env = append([]string{}, env...)
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	return env
}

// optional are the variables that keep the template's own default when they are empty.
func (v Vars) optional() map[string]string {
	out := map[string]string{}
	for name, value := range map[string]string{"parent": v.Parent, "region": v.Region, "kms_key": v.KMSKey, "image_name": v.ImageName} {
		if value != "" {
			out["PKR_VAR_switchyard_"+name] = value
		}
	}
	if len(v.Regions) > 0 {
		out["PKR_VAR_switchyard_regions"] = expression(v.Regions)
	}
	if len(v.Tags) > 0 {
		out["PKR_VAR_switchyard_tags"] = expression(v.Tags)
	}
	if len(v.KMSKeys) > 0 {
		out["PKR_VAR_switchyard_kms_keys"] = expression(v.KMSKeys)
	}
	return out
}

// literal keeps text from being taken for a template: HCL, which Packer reads lists and
// maps as, evaluates what is in braces after these signs.
var literal = strings.NewReplacer("${", "$${", "%{", "%%{")

// expression is a list or a map of strings as Packer reads it from the environment.
func expression(v any) string {
	raw, err := json.Marshal(v)
	if err != nil { // strings only: there is nothing that can't be marshalled
		panic(err)
	}
	return literal.Replace(string(raw))
}

// Inherited is this process's environment without what is Switchyard's or Packer's.
func Inherited() []string { return inherited(os.Environ()) }

// inherited leaves out what would change a bake by accident, and Switchyard's own
// credentials, which no template needs.
func inherited(env []string) []string {
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case strings.HasPrefix(name, "PKR_VAR_"), strings.HasPrefix(name, "PACKER_"),
			strings.HasPrefix(name, "TEMPORAL_"), strings.HasPrefix(name, "SWITCHYARD_"), name == "TMPDIR":
		default:
			out = append(out, e)
		}
	}
	return out
}

// checkVariables finds values for variables that the template does not declare.
// Packer would ignore those without a word.
func (b Bake) checkVariables() error {
	declared, err := declaredVariables(b.Template)
	if err != nil {
		return failure(Configuration, "", "read Packer template %s: %v", b.Template, err)
	}
	var unknown []string
	for name := range b.Variables {
		if _, both := b.Secrets[name]; both {
			return failure(Configuration, "", "%q is given as a variable and as a secret (keep one)", name)
		}
		if !declared[name] {
			unknown = append(unknown, name)
		}
	}
	for name := range b.Secrets {
		if !declared[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	sort.Strings(unknown)
	var known []string
	for name := range declared {
		if !strings.HasPrefix(name, "switchyard_") {
			known = append(known, name)
		}
	}
	sort.Strings(known)
	return failure(Configuration, "", "Packer template %s declares no variable %s (it declares: %s)",
		b.Template, strings.Join(unknown, ", "), strings.Join(known, ", "))
}

// declaredVariables reads the names of a template's variables. Its syntax is checked
// by Packer, whose words about it are better than ours could be.
func declaredVariables(template string) (map[string]bool, error) {
	files := []string{template}
	info, err := os.Stat(template)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		hclFiles, _ := filepath.Glob(filepath.Join(template, "*.pkr.hcl"))
		jsonFiles, _ := filepath.Glob(filepath.Join(template, "*.pkr.json"))
		files = append(hclFiles, jsonFiles...)
	}
	schema := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "variables"},
	}}
	names := map[string]bool{}
	parser := hclparse.NewParser()
	for _, f := range files {
		parse := parser.ParseHCLFile
		if strings.HasSuffix(f, ".json") {
			parse = parser.ParseJSONFile
		}
		file, diags := parse(f)
		if file == nil || file.Body == nil {
			return nil, diags
		}
		content, _, _ := file.Body.PartialContent(schema)
		for _, block := range content.Blocks {
			if block.Type == "variable" {
				names[block.Labels[0]] = true
				continue
			}
			attributes, _ := block.Body.JustAttributes()
			for name := range attributes {
				names[name] = true
			}
		}
	}
	return names, nil
}
