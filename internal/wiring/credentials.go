package wiring

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// credentials hands credentials to one Packer on the loopback, in the way AWS hands
// them to containers (docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).
// A bake may take longer than any session of a role lasts; so its AWS SDK asks again.
type credentials struct {
	server *http.Server
	url    string
	token  string
}

// serveCredentials serves what get answers until close.
func serveCredentials(get func(context.Context) (aws.Credentials, error)) (*credentials, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve AWS credentials to Packer: %w", err)
	}
	c := &credentials{url: "http://" + listener.Addr().String() + "/credentials", token: hex.EncodeToString(random)}
	c.server = &http.Server{Handler: c.handler(get), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

func (c *credentials) close() { _ = c.server.Close() }

func (c *credentials) handler(get func(context.Context) (aws.Credentials, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(c.token)) != 1 {
			http.Error(w, `{"code":"AccessDenied","message":"only the bake that these credentials are for gets them"}`, http.StatusForbidden)
			return
		}
		have, err := get(r.Context())
		if err != nil {
			// The SDK passes the text on, so that the person sees it in Packer's words.
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"code": "NoCredentials", "message": err.Error()})
			return
		}
		answer := map[string]string{"AccessKeyId": have.AccessKeyID, "SecretAccessKey": have.SecretAccessKey, "Token": have.SessionToken}
		if have.CanExpire {
			answer["Expiration"] = have.Expires.UTC().Format(time.RFC3339)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// other are the sources of credentials that would come before ours.
var other = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
	"AWS_REGION", "AWS_DEFAULT_REGION",
}

// environment is env with these credentials and the region, and without any others.
func (c *credentials) environment(env []string, region string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(other, name)
	})
	return append(env,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI="+c.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN="+c.token,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_CONFIG_FILE="+os.DevNull,
		"AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)
}
