package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform/secretref"
)

// migrationHTTP follows no redirect, since a POST would become a GET, and keeps no connection.
var migrationHTTP = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// callMigration posts what is asked. 2xx is success. 408, 409, 425, 429, 5xx and no
// answer at all are tried again: the service may be busy, or still at it. Everything
// else is its word that it failed.
func (m *Migrator) callMigration(ctx context.Context, in MigrateInput) (Migrated, error) {
	how := in.Migration.HTTP
	body, err := json.Marshal(in.asked())
	if err != nil {
		return Migrated{}, fmt.Errorf("%s: %w", in.words(), err)
	}
	bounded, cancel := context.WithTimeout(ctx, in.timeout())
	defer cancel()
	request, err := http.NewRequestWithContext(bounded, http.MethodPost, how.URL, bytes.NewReader(body))
	if err != nil {
		return Migrated{}, acterr.Final(ErrInvalidRequest, "%s: %w", in.words(), err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", in.Key)
	output := newEnding()
	if how.Token != "" {
		token, err := secretref.Resolve(how.Token)
		if err != nil {
			return Migrated{}, acterr.Final(ErrInvalidRequest, "%s: %w; give it to the workers, then try again", in.words(), err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		output = newEnding(token)
	}
	client := m.HTTP
	if client == nil {
		client = migrationHTTP
	}
	answer, err := client.Do(request)
	if err == nil {
		defer answer.Body.Close()
		_, err = io.Copy(output, answer.Body)
	}
	switch {
	case ctx.Err() != nil:
		return Migrated{}, ctx.Err()
	case err != nil:
		return Migrated{}, fmt.Errorf("%s: no whole answer within %s: %w", in.words(), in.timeout(), err)
	case answer.StatusCode/100 == 2:
		return Migrated{Output: output.String()}, nil
	case mayAnswerLater(answer.StatusCode):
		return Migrated{}, fmt.Errorf("%s: the service answers %s: %s", in.words(), answer.Status, clip(output.String(), maxValue))
	}
	return Migrated{}, in.failed("the service answers "+answer.Status, output.String())
}

func mayAnswerLater(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}
