package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if os.Getenv("CHECKOUT_TEST_SERVE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func serves(b build, f faults) *service {
	s := &service{build: b, trouble: &trouble{faults: f, exit: func(int) {}}, metrics: newMetrics(b)}
	s.serving.Store(true)
	return s
}

func ask(s *service, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	return w
}

func TestBaskets(t *testing.T) {
	s := serves(build{Version: "1", Instance: "i-1"}, faults{})
	for _, c := range []struct {
		method, target, body string
		status               int
		says                 string
	}{
		{"GET", "/checkout", "", 200, `"totalCents":0`},
		{"GET", "/checkout?item=tea:2&item=cup", "", 200, `"totalCents":2100,"items":3,"version":"1","instance":"i-1"`},
		{"POST", "/checkout", `{"items":[{"sku":"pot","quantity":1}]}`, 200, `"totalCents":3900`},
		{"POST", "/checkout", `{"itemz":[]}`, 400, "itemz"},
		{"POST", "/checkout", strings.Repeat("x", maxBody+1), 400, "error"},
		{"GET", "/checkout?item=tea:x", "", 400, "tea:x"},
		{"GET", "/checkout?item=gold", "", 422, "gold"},
		{"GET", "/checkout?item=tea:0", "", 422, "between"},
		{"DELETE", "/checkout", "", 405, ""},
		{"GET", "/version", "", 200, `"version":"1"`},
		{"GET", "/healthz", "", 200, `"ok"`},
	} {
		w := ask(s, c.method, c.target, c.body)
		assert.Equal(t, c.status, w.Code, c.target)
		assert.Contains(t, w.Body.String(), c.says, c.target)
	}
	s.serving.Store(false)
	assert.Equal(t, 503, ask(s, "GET", "/healthz", "").Code)
}

func TestABadVersionGoesBadUnderItsUsers(t *testing.T) {
	s := serves(build{}, faults{ErrorRate: 1, FailAfter: duration(time.Hour)})
	assert.Equal(t, 200, ask(s, "GET", "/checkout", "", probeHeader, "f").Code)
	assert.Zero(t, s.trouble.first.Load(), "a probe does not start the clock")
	assert.Equal(t, 200, ask(s, "GET", "/checkout", "").Code)
	assert.NotZero(t, s.trouble.first.Load())

	s.trouble.first.Store(time.Now().Add(-2 * time.Hour).UnixNano())
	assert.Equal(t, 500, ask(s, "GET", "/checkout", "").Code)
	assert.Equal(t, 500, ask(s, "GET", "/checkout", "", probeHeader, "f").Code)
	assert.Equal(t, 200, ask(s, "GET", "/healthz", "").Code, "its health check does not notice")
}

func TestFilesOfTheImage(t *testing.T) {
	root := t.TempDir()
	b, err := readBuild(root)
	require.NoError(t, err)
	assert.Equal(t, "development", b.Version)
	dir := filepath.Join(root, "etc", "checkout")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for content, want := range map[string]string{
		`{"failAfter":"6s","errorRate":0.3}`: "",
		`{"failAfter":"6"}`:                  "faults.json",
		`{"latency":"-1s"}`:                  "negative",
		`{"errorRate":2}`:                    "errorRate",
		`{"leakKiB":-1}`:                     "leakKiB",
		`{`:                                  "faults.json",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "faults.json"), []byte(content), 0o644))
		f, err := readFaults(root)
		if want == "" {
			require.NoError(t, err)
			assert.Equal(t, faults{FailAfter: duration(6 * time.Second), ErrorRate: 0.3}, f)
			continue
		}
		assert.ErrorContains(t, err, want)
	}
}

func TestRequestsInFlightEndBeforeTheServiceDoes(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "etc", "checkout"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "etc", "checkout", "build.json"), []byte(`{"version":"9","commit":"c"}`), 0o644))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CHECKOUT_TEST_SERVE=1", "SWITCHYARD_ROOT="+root, "HOST=127.0.0.1", "PORT=0", "INSTANCE_ID=i-7")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	var started struct{ Address, Version string }
	require.NoError(t, json.Unmarshal(lines.Bytes(), &started))
	assert.Equal(t, "9", started.Version)

	// A request whose body is still on its way when the order to stop comes.
	body, feed := io.Pipe()
	done := make(chan string, 1)
	go func() {
		resp, err := http.Post(fmt.Sprintf("http://%s/checkout", started.Address), "application/json", body)
		if err != nil {
			done <- err.Error()
			return
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		done <- string(raw)
	}()
	_, err = feed.Write([]byte(`{"items":[`))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		resp, err := http.Get(fmt.Sprintf("http://%s/healthz", started.Address))
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		resp, err := http.Get(fmt.Sprintf("http://%s/healthz", started.Address))
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	}, 10*time.Second, 5*time.Millisecond, "no new connections are taken")
	_, err = feed.Write([]byte(`{"sku":"tea","quantity":1}]}`))
	require.NoError(t, err)
	require.NoError(t, feed.Close())
	assert.Contains(t, <-done, `"totalCents":450`)
	for lines.Scan() {
	}
	assert.NoError(t, cmd.Wait())
}
