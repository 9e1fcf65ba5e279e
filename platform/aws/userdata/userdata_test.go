package userdata_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform/aws/userdata"
)

func instance() userdata.Instance {
	return userdata.Instance{
		Fleet: "checkout-production-r1", Region: "eu-west-1", HealthPath: "/healthz", Port: 8080,
		Command:     []string{"/opt/checkout/serve", "--price", "5 $ & 100 %", `a "b" \c`},
		Environment: map[string]string{"GREETING": "it's \"$HOME\" `id` \\ two\nlines", "EMPTY": "", "HASH": "# no comment"},
		Secrets:     map[string]string{"API_KEY": "ssm:/checkout/key", "TOKEN": "secretsmanager:checkout/token=="},
	}
}

func TestWhatIsBuiltCanBeParsed(t *testing.T) {
	for name, i := range map[string]userdata.Instance{
		"everything": instance(),
		"nothing":    {Fleet: "f", Region: "eu-west-1", Environment: map[string]string{}, Secrets: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := userdata.Build(i, nil)
			require.NoError(t, err)
			got, err := userdata.Parse(data)
			require.NoError(t, err)
			require.Equal(t, i, got)
			again, err := userdata.Build(i, nil)
			require.NoError(t, err)
			require.Equal(t, data, again, "the same instance has the same user data")
		})
	}
}

// parts are the parts as any reader of MIME sees them.
func parts(t *testing.T, data []byte) map[string]string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	require.NoError(t, err)
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	out := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		body, err := io.ReadAll(p)
		require.NoError(t, err)
		kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
		out[kind] = string(body)
	}
}

func TestTheBootHookSetsTheInstanceUp(t *testing.T) {
	data, err := userdata.Build(instance(), nil)
	require.NoError(t, err)
	root := t.TempDir()
	run(t, root, parts(t, data)["text/cloud-boothook"])

	out := sh(t, root, `set -a; . etc/switchyard/environment; printf %s "$GREETING|$EMPTY|$HASH"`)
	require.Equal(t, "it's \"$HOME\" `id` \\ two\nlines||# no comment", out, "the shell reads the values as they were")
	refs, err := os.ReadFile(filepath.Join(root, "etc/switchyard/secrets"))
	require.NoError(t, err)
	require.Equal(t, "API_KEY=ssm:/checkout/key\nTOKEN=secretsmanager:checkout/token==\n", string(refs))
	unit, err := os.ReadFile(filepath.Join(root, "etc/systemd/system/switchyard-app.service"))
	require.NoError(t, err)
	require.Contains(t, string(unit), `ExecStart="/opt/checkout/serve" "--price" "5 $$ & 100 %%" "a \"b\" \\c"`)
	require.Contains(t, string(unit), "Restart=always")
	said, err := os.ReadFile(filepath.Join(root, "systemctl.log"))
	require.NoError(t, err)
	require.Equal(t, "daemon-reload\nstart --no-block switchyard-app.service\n", string(said))
}

func TestSecretsAreResolvedByTheInstance(t *testing.T) {
	data, err := userdata.Build(instance(), nil)
	require.NoError(t, err)
	root := t.TempDir()
	run(t, root, parts(t, data)["text/cloud-boothook"])
	tool(t, root, "aws", `echo "$@" >>aws.log
[ -e tried ] || { touch tried; exit 1; }
case "$*" in *get-parameter*) printf '%s\n' 'it is "5 $"';; *) printf '%s\n' 'tok\en';; esac`)
	tool(t, root, "sleep", "true")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "run/switchyard"), 0o700))
	sh(t, root, "etc/switchyard/resolve-secrets")

	require.Equal(t, `it is "5 $"|tok\en`, sh(t, root, `. run/switchyard/secrets.env; printf %s "$API_KEY|$TOKEN"`))
	info, err := os.Stat(filepath.Join(root, "run/switchyard/secrets.env"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	asked, err := os.ReadFile(filepath.Join(root, "aws.log"))
	require.NoError(t, err)
	require.Contains(t, string(asked), "ssm get-parameter --region eu-west-1 --with-decryption --name /checkout/key")
	require.Contains(t, string(asked), "secretsmanager get-secret-value --region eu-west-1 --secret-id checkout/token==")
}

func TestUserDataOfSomebodyElseStays(t *testing.T) {
	mimeData := "Content-Type: multipart/mixed; boundary=\"abc\"\nMIME-Version: 1.0\n\n" +
		"--abc\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho hello\n--abc--\n"
	for name, c := range map[string]struct{ extra, kind string }{
		"a script":     {"#!/bin/sh\n" + strings.Repeat("echo hello\n", 20), "text/plain"},
		"cloud-config": {"#cloud-config\npackages: [nginx]\n", "text/plain"},
		"compressed":   {"\x1f\x8b\x08 and so on", "application/gzip"},
		"multipart":    {mimeData, "multipart/mixed"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := userdata.Build(instance(), []byte(c.extra))
			require.NoError(t, err)
			require.Contains(t, parts(t, data), c.kind)
			require.Contains(t, parts(t, data)["text/cloud-boothook"], "After=network-online.target switchyard-environment.service cloud-final.service")
			kept, err := userdata.Extra(data)
			require.NoError(t, err)
			require.Equal(t, body(c.extra), body(string(kept)))

			next := instance()
			next.Fleet = "checkout-production-r2"
			second, err := userdata.Build(next, data)
			require.NoError(t, err)
			kept, err = userdata.Extra(second)
			require.NoError(t, err)
			require.Equal(t, body(c.extra), body(string(kept)), "it survives the release after the next, too")
			got, err := userdata.Parse(second)
			require.NoError(t, err)
			require.Equal(t, next, got)
		})
	}
}

// body leaves out line ends, which MIME may change, and the last of them.
func body(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }

func TestRefusals(t *testing.T) {
	long := instance()
	long.Environment = map[string]string{"BIG": strings.Repeat("x", userdata.Limit)}
	_, err := userdata.Build(long, nil)
	require.ErrorIs(t, err, userdata.ErrTooLong)
	require.ErrorContains(t, err, "a parameter or a secret")

	_, err = userdata.Build(instance(), []byte("<powershell>x</powershell>"))
	require.ErrorIs(t, err, userdata.ErrUnsupported)

	for name, i := range map[string]userdata.Instance{
		"a bad name":        {Environment: map[string]string{"A B": "x"}},
		"a zero byte":       {Environment: map[string]string{"A": "\x00"}},
		"end of file":       {Environment: map[string]string{"A": "x\nEND-OF-SWITCHYARD-FILE\nrm -rf /"}},
		"a broken ref":      {Secrets: map[string]string{"A": "ssm:/a\nB=ssm:/b"}},
		"a relative binary": {Command: []string{"serve"}},
	} {
		_, err := userdata.Build(i, nil)
		require.Error(t, err, name)
	}
	_, err = userdata.Parse([]byte("#!/bin/sh\necho hello\n"))
	require.ErrorIs(t, err, userdata.ErrNotOurs)
}

// here puts a script's absolute paths below root.
func here(root, script string) string {
	r := strings.NewReplacer("/etc/", root+"/etc/", "/run/", root+"/run/")
	return r.Replace(script)
}

func run(t *testing.T, root, script string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "etc/systemd/system"), 0o755))
	tool(t, root, "systemctl", `echo "$@" >>systemctl.log`)
	sh(t, root, here(root, script))
}

func tool(t *testing.T, root, name, script string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "bin", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

func sh(t *testing.T, root, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, errs.String())
	return string(out)
}
