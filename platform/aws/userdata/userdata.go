// Package userdata is what an instance of a fleet is told at its start: MIME
// multipart user data for cloud-init. Building it is the fleets' work; whoever plays
// the instance (a lab, a test) parses it.
//
// The first part is a boot hook, because those run at every start and before the
// services of an image (docs.cloud-init.io/en/latest/explanation/format/cloud-boothook.html).
// It writes
//
//	/etc/switchyard/instance.json  what the instance is
//	/etc/switchyard/environment    plain values, for systemd's EnvironmentFile
//	/etc/switchyard/secrets        NAME=reference, never a value
//
// and starts two units: switchyard-environment.service resolves the references with
// the instance's own role into /run/switchyard/secrets.env, which is in memory and
// root's alone; switchyard-app.service, when there is a command, runs it with both
// files. A second part is what the fleet before had as its own user data.
package userdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/textproto"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Limit is how long user data may be in bytes, before base64:
// docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html.
const Limit = 16 * 1024

// ErrTooLong is wrapped by Build when the user data is longer than Limit.
var ErrTooLong = errors.New("the user data is too long")

// Instance is what an instance of a fleet is told.
type Instance struct {
	Fleet       string            `json:"fleet"`
	Region      string            `json:"region"` // where references are resolved
	Command     []string          `json:"command,omitempty"`
	HealthPath  string            `json:"healthPath,omitempty"`
	Port        int               `json:"port,omitempty"`
	Environment map[string]string `json:"-"`
	Secrets     map[string]string `json:"-"` // name to reference
}

// Where the parts of an instance stand on it.
const (
	directory    = "/etc/switchyard/"
	instanceFile = directory + "instance.json"
	valuesFile   = directory + "environment"
	secretsFile  = directory + "secrets"
)

// boundary parts the user data. It is fixed, so that the same fleet has the same user
// data, and tells Switchyard's user data from anybody else's.
const boundary = "==switchyard-user-data=="

const (
	bootHook    = "switchyard-boothook.sh"
	carriedPart = "switchyard-carried"
)

var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Build makes the user data of an instance, with extra, which is user data of its
// own, as a further part. Extra of Switchyard's own making is replaced, except for
// what was carried in it. The same input gives the same bytes. The error wraps
// ErrTooLong when the result is longer than Limit.
func Build(i Instance, extra []byte) ([]byte, error) {
	if err := check(i); err != nil {
		return nil, err
	}
	extra, err := Extra(extra)
	if err != nil {
		return nil, err
	}
	hook, err := hookOf(i, len(extra) > 0)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\nMIME-Version: 1.0\n\n")
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary); err != nil {
		return nil, err
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Type":        {"text/cloud-boothook; charset=\"utf-8\""},
		"Content-Disposition": {"attachment; filename=\"" + bootHook + "\""},
	})
	if err == nil {
		_, err = part.Write(hook)
	}
	if err == nil && len(extra) > 0 {
		err = carry(w, extra)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("build user data: %w", err)
	}
	if b.Len() > Limit {
		return nil, fmt.Errorf("%w: %d bytes, EC2 takes %d; %d of them are user data carried over from the fleet before. "+
			"Put long values into a parameter or a secret and refer to them, or bake them into the image", ErrTooLong, b.Len(), Limit, len(extra))
	}
	return b.Bytes(), nil
}

func check(i Instance) error {
	for _, values := range []map[string]string{i.Environment, i.Secrets} {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if !name.MatchString(key) {
				return fmt.Errorf("%q can't be the name of an environment variable: letters, digits and _ only, no digit first", key)
			}
			if strings.ContainsRune(values[key], 0) {
				return fmt.Errorf("the value of %s has a zero byte, which no environment variable can have", key)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(i.Secrets)) {
		if strings.ContainsAny(i.Secrets[key], "\n\r") {
			return fmt.Errorf("the reference of secret %s has a line break", key)
		}
	}
	if len(i.Command) > 0 && !path.IsAbs(i.Command[0]) {
		return fmt.Errorf("the command %q is not an absolute path", i.Command[0])
	}
	return nil
}

// files are what the boot hook writes, by path.
func files(i Instance) (map[string]string, error) {
	about, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write down the instance: %w", err)
	}
	return map[string]string{
		instanceFile: string(about) + "\n",
		valuesFile:   environmentFile(i.Environment),
		secretsFile:  referencesFile(i.Secrets),
	}, nil
}
