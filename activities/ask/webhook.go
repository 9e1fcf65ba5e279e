package ask

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// webhookBody is the body of a webhook in Flagger's form
// (https://docs.flagger.app/usage/webhooks).
type webhookBody struct {
	Name      string            `json:"name"`      // application
	Namespace string            `json:"namespace"` // environment
	Phase     string            `json:"phase"`     // stage
	Checksum  string            `json:"checksum"`  // the same for the same fleet of the same release
	Metadata  map[string]string `json:"metadata"`
}

// webhookPayload is what a webhook is told. What Switchyard knows wins over the spec's
// metadata, so that a receiver can rely on it.
func (q *questions) webhookPayload(check string, metadata map[string]string) webhookBody {
	body := webhookBody{
		Name: q.Target.Application, Namespace: q.Target.Environment, Phase: q.Stage,
		Metadata: q.fillAll(metadata),
	}
	if body.Metadata == nil {
		body.Metadata = map[string]string{}
	}
	maps.Copy(body.Metadata, map[string]string{
		"check": check, "version": q.Version, "release": q.Release, "region": q.Region, "fleet": q.Fleet, "live": q.Live,
	})
	sum := sha256.Sum256([]byte(strings.Join([]string{q.Target.Application, q.Target.Environment, q.Release, q.Version, q.Region, q.Fleet}, "\x00")))
	body.Checksum = hex.EncodeToString(sum[:8])
	return body
}

// callWebhook posts to a webhook and judges the answer's status.
func (q *questions) callWebhook(ctx context.Context, name string, check spec.WebhookCheck) release.Result {
	token, err := optional(check.Token)
	if err != nil {
		return unknown(webhookBound, "%v", err)
	}
	data, err := json.Marshal(q.webhookPayload(name, check.Metadata))
	if err != nil {
		return unknown(webhookBound, "can't be called: %v", err)
	}
	timeout := orTen(check.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, q.fillURL(check.URL), bytes.NewReader(data))
	if err != nil {
		return unknown(webhookBound, "can't be called: the URL is none")
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := q.client(outside).Do(request)
	if err != nil {
		return unknown(webhookBound, "%s", hide(unanswered(err, timeout), token))
	}
	defer answer.Body.Close()
	// What is shown is short; the rest need not be waited for.
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return unknown(webhookBound, "the answer broke off: %s", hide(unanswered(err, timeout), token))
	}
	return judgeWebhook(answer.StatusCode, hide(string(body), token))
}

const webhookBound = "status 2xx"

// judgeWebhook is the verdict on the answer of a webhook.
func judgeWebhook(status int, body string) release.Result {
	told := strings.TrimSpace(body)
	if told != "" {
		told = ": " + told
	}
	switch {
	case status >= 200 && status < 300:
		return passed(webhookBound, "%d%s", status, told)
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return unknown(webhookBound, "%d%s", status, told)
	}
	return failed(webhookBound, "%d%s", status, told)
}
