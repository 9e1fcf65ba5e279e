package userdata

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// In double quotes, systemd and the shell take a backslash before these as the
// character itself, and everything else as it is, line breaks too:
// freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=.
const escaped = "\\\"$`"

func environmentFile(values map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		b.WriteString(key + `="`)
		for _, r := range []byte(values[key]) {
			if strings.IndexByte(escaped, r) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(r)
		}
		b.WriteString("\"\n")
	}
	return b.String()
}

func parseEnvironment(text string) (map[string]string, error) {
	values := map[string]string{}
	for text != "" {
		key, rest, ok := strings.Cut(text, `="`)
		if !ok {
			return nil, fmt.Errorf("%s: no value at %q", valuesFile, text)
		}
		value, after, err := unquote(rest)
		if err != nil {
			return nil, fmt.Errorf("%s: the value of %s: %w", valuesFile, key, err)
		}
		values[key], text = value, strings.TrimPrefix(after, "\n")
	}
	return values, nil
}

func unquote(s string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(escaped, s[i+1]) >= 0:
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", fmt.Errorf("its quotes are not closed")
}

func referencesFile(refs map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(refs)) {
		b.WriteString(key + "=" + refs[key] + "\n")
	}
	return b.String()
}

func parseReferences(text string) map[string]string {
	refs := map[string]string{}
	for line := range strings.Lines(text) {
		key, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		refs[key] = ref
	}
	return refs
}
