package caddy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"
)

// Admin is the admin API of one balancer process.
type Admin struct {
	url    string
	client *http.Client
}

// NewAdmin speaks to the API at the base URL.
func NewAdmin(url string) *Admin {
	// The admin server is replaced at each load, so connections are not kept.
	return &Admin{url: url, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}}
}

// URL is the base URL of the API.
func (a *Admin) URL() string { return a.url }

// Call asks the API. Reads are tried again, since the API's own socket is replaced at
// each load and a connection may be lost with the old one.
func (a *Admin) Call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	for try := 1; ; try++ {
		data, err := a.once(ctx, method, path, body)
		if err == nil || method != http.MethodGet || try == 3 || ctx.Err() != nil {
			return data, err
		}
	}
}

func (a *Admin) once(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the proxy: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, 32<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.500s", res.Status, data)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the proxy, %s %s: %w", method, path, err)
	}
	return data, nil
}

// Load replaces the configuration and returns once the process has confirmed it.
func (a *Admin) Load(ctx context.Context, config []byte) error {
	if _, err := a.Call(ctx, http.MethodPost, "/load", config); err != nil {
		return err
	}
	have, err := a.Call(ctx, http.MethodGet, "/config/", nil)
	if err != nil {
		return err
	}
	var want, got any
	if err := errors.Join(json.Unmarshal(config, &want), json.Unmarshal(have, &got)); err != nil {
		return err
	}
	if !reflect.DeepEqual(want, got) {
		return errors.New("configure the proxy: read back, its configuration is another one")
	}
	return nil
}

// InFlight counts the requests being served right now, by address of the upstream.
func (a *Admin) InFlight(ctx context.Context) (map[string]int, error) {
	data, err := a.Call(ctx, http.MethodGet, "/reverse_proxy/upstreams", nil)
	if err != nil {
		return nil, err
	}
	var ups []struct {
		Address     string `json:"address"`
		NumRequests int    `json:"num_requests"`
	}
	if err := json.Unmarshal(data, &ups); err != nil {
		return nil, fmt.Errorf("read the proxy's upstreams: %w", err)
	}
	out := map[string]int{}
	for _, u := range ups {
		out[u.Address] += u.NumRequests
	}
	return out, nil
}
