package packer

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"sort"
	"strings"
)

const scrubbed = "<secret>"

// minSecret is the shortest text that is scrubbed. Anything shorter stands in
// ordinary words everywhere and hides nothing.
const minSecret = 3

// scrubber returns a function that takes the secrets out of a text, also where they
// were encoded for a URL, for JSON or in base64, and line by line where they have lines.
func scrubber(secrets map[string]string) func(string) string {
	forms := map[string]bool{}
	add := func(s string) {
		if len(s) >= minSecret {
			forms[s] = true
		}
	}
	for _, value := range secrets {
		parts := append([]string{value, strings.TrimSpace(value)}, strings.Split(value, "\n")...)
		for _, p := range parts {
			p = strings.TrimRight(p, "\r\n")
			add(p)
			add(url.QueryEscape(p))
			add(url.PathEscape(p))
			add(jsonEscape(p))
		}
		for _, p := range []string{value, value + "\n"} {
			for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
				add(e.EncodeToString([]byte(p)))
			}
		}
	}
	if len(forms) == 0 {
		return func(s string) string { return s }
	}
	var ordered []string
	for f := range forms {
		ordered = append(ordered, f)
	}
	// The longest first, so that no part of a secret stays because a shorter form matched.
	sort.Slice(ordered, func(i, j int) bool {
		if len(ordered[i]) != len(ordered[j]) {
			return len(ordered[i]) > len(ordered[j])
		}
		return ordered[i] < ordered[j]
	})
	var pairs []string
	for _, f := range ordered {
		pairs = append(pairs, f, scrubbed)
	}
	return strings.NewReplacer(pairs...).Replace
}

// jsonEscape is s as it stands inside a JSON string.
func jsonEscape(s string) string {
	raw, err := json.Marshal(s)
	if err != nil || len(raw) < 2 {
		return s
	}
	return string(raw[1 : len(raw)-1])
}
