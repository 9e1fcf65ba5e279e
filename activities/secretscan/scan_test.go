package secretscan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/secretscan"
)

// The pieces are put together here so that no scanner takes this file for a leak.
var (
	awsKey = "AKIA" + "Q3EGRIPDXW5LNZ7T"
	token  = "ghp_" + "x7Kq2mVb9TzRw4LpYc8NfHd3JsGa6EuQ1iWo"
	pem    = "-----BEGIN RSA PRIVATE" + " KEY-----\n" + strings.Repeat("MIIEowIBAAKCAQEAx7Kq2mVb9TzRw4LpYc8NfHd3JsGa6EuQ1iWoZ5vXyBnMtUr\n", 8) + "-----END RSA PRIVATE" + " KEY-----\n"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
	}
	return root
}

func TestPlantedSecretsAreFoundAndNotTold(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/app/aws.conf":     "# settings\n\naccess = \"" + awsKey + "\"\n",
		"srv/deploy.sh":        "#!/bin/sh\nexport TOKEN=" + token + " # gitleaks:allow\n",
		"home/app/.ssh/id_rsa": pem,
		"etc/app/fine.json":    `{"greeting": "hello", "maxBasketBytes": 65536}`,
		"etc/empty":            "",
	})
	found, err := secretscan.Scan(t.Context(), root, nil)
	require.NoError(t, err)
	files := map[string]int{}
	for _, f := range found {
		files[f.File] = f.Line
		assert.NotEmpty(t, f.Rule)
	}
	assert.Equal(t, map[string]int{"etc/app/aws.conf": 3, "srv/deploy.sh": 2, "home/app/.ssh/id_rsa": 1}, files)

	told, err := json.Marshal(found)
	require.NoError(t, err)
	text := string(told) + fmt.Sprint(found)
	for _, secret := range []string{awsKey, token, "MIIEowIBAAKCAQEA"} {
		assert.NotContains(t, text, secret)
	}
}

func TestAllowedPaths(t *testing.T) {
	secret := "key = \"" + token + "\"\n"
	root := tree(t, map[string]string{"a/one.conf": secret, "a/b/two.conf": secret, "c/three.conf": secret})
	left := func(allow ...string) []string {
		found, err := secretscan.Scan(t.Context(), root, allow)
		require.NoError(t, err)
		names := []string{}
		for _, f := range found {
			names = append(names, f.File)
		}
		return names
	}
	assert.Equal(t, []string{"a/b/two.conf", "a/one.conf", "c/three.conf"}, left())
	assert.Equal(t, []string{"a/b/two.conf", "c/three.conf"}, left("a/*.conf"))
	assert.Equal(t, []string{"c/three.conf"}, left("/a/**"))
	assert.Equal(t, []string{"a/b/two.conf", "a/one.conf"}, left("**/three.conf"))
	assert.Empty(t, left("**"))
	_, err := secretscan.Scan(t.Context(), root, []string{""})
	assert.ErrorContains(t, err, "empty")
}

func TestSecretAtTheEndOfALargeFile(t *testing.T) {
	var b bytes.Buffer
	lines := 0
	for b.Len() < 3<<20 {
		fmt.Fprintf(&b, "line %d of an ordinary log\n", lines)
		lines++
	}
	fmt.Fprintf(&b, "token=%q\n", token)
	root := tree(t, map[string]string{"var/log/app.txt": b.String()})
	found, err := secretscan.Scan(t.Context(), root, nil)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, lines+1, found[0].Line)
}

// A secret is found wherever the border between two pieces of the file falls.
func TestSecretOnTheBorderOfAPiece(t *testing.T) {
	for _, shift := range []int{-60, 0, 50, 60, 80, 95} {
		secret := "token=\"" + token + "\"\n"
		pad := strings.Repeat("a line of an ordinary file, as long as sixty-four letters take.\n", (256<<10)/64)[:256<<10]
		root := tree(t, map[string]string{"f.txt": pad[:len(pad)-100+shift] + "\n" + secret + "end\n" + pad})
		found, err := secretscan.Scan(t.Context(), root, nil)
		require.NoError(t, err)
		rules := []string{}
		for _, f := range found {
			rules = append(rules, f.Rule)
			assert.Equal(t, found[0].Line, f.Line, "shift %d", shift)
		}
		assert.Contains(t, rules, "github-pat", "shift %d", shift)
	}
}

func TestBinariesAndLinks(t *testing.T) {
	root := tree(t, map[string]string{
		"bin/program":   "\x7fELF\x00\x00 " + awsKey,
		"etc/store.p12": "\x30\x82\x00\x01",
	})
	outside := filepath.Join(t.TempDir(), "secret.txt")
	require.NoError(t, os.WriteFile(outside, []byte("token=\""+token+"\"\n"), 0o644))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "etc", "link")))
	found, err := secretscan.Scan(t.Context(), root, nil)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, secretscan.Finding{File: "etc/store.p12", Rule: "pkcs12-file"}, found[0])
}

func TestScanStopsWhenAskedTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := secretscan.Scan(ctx, tree(t, map[string]string{"f": "text"}), nil)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = secretscan.Scan(t.Context(), "/nowhere", nil)
	assert.ErrorContains(t, err, "/nowhere")
}
