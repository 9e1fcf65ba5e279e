package userdata

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// endOfFile ends each file in the boot hook.
const endOfFile = "END-OF-SWITCHYARD-FILE"

const (
	resolver        = directory + "resolve-secrets"
	units           = "/etc/systemd/system/"
	environmentUnit = "switchyard-environment.service"
	appUnit         = "switchyard-app.service"
)

//go:embed resolve-secrets.sh
var resolveSecrets string

const environmentService = `[Unit]
Description=Resolves the secrets of the application with the instance's role
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory=switchyard
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
TimeoutStartSec=infinity
ExecStart=` + resolver + `
`

// hookOf is the script that sets an instance up. With further user data the
// application waits for it, since it may prepare what the application needs.
func hookOf(i Instance, further bool) ([]byte, error) {
	written, err := files(i)
	if err != nil {
		return nil, err
	}
	modes := map[string]string{}
	for path := range written {
		modes[path] = "0644"
	}
	written[resolver], modes[resolver] = strings.Replace(resolveSecrets, "REGION", i.Region, 1), "0755"
	written[units+environmentUnit], modes[units+environmentUnit] = environmentService, "0644"
	start := environmentUnit
	if len(i.Command) > 0 {
		written[units+appUnit], modes[units+appUnit] = appService(i, further), "0644"
		start = appUnit
	}
	var b strings.Builder
	b.WriteString(`#!/bin/sh
# Written by Switchyard: how the application of this fleet is set up and started.
set -eu
mkdir -p -m 0755 /etc/switchyard
place() {
	cat >"$2.new"
	chmod "$1" "$2.new"
	mv "$2.new" "$2"
}
printf 'INSTANCE_ID="%s"\n' "${INSTANCE_ID:-}" | place 0644 /etc/switchyard/instance.env
`)
	for _, path := range slices.Sorted(maps.Keys(written)) {
		if slices.Contains(strings.Split(written[path], "\n"), endOfFile) {
			return nil, fmt.Errorf("a value has the line %s, which ends a file in the user data", endOfFile)
		}
		fmt.Fprintf(&b, "place %s %s <<'%s'\n%s%s\n", modes[path], path, endOfFile, written[path], endOfFile)
	}
	// Without waiting: boot hooks run before the services that these units wait for.
	fmt.Fprintf(&b, "systemctl daemon-reload\nsystemctl start --no-block %s\n", start)
	return []byte(b.String()), nil
}

func appService(i Instance, further bool) string {
	after := "network-online.target " + environmentUnit
	if further {
		after += " cloud-final.service"
	}
	words := make([]string, len(i.Command))
	for n, word := range i.Command {
		words[n] = execWord(word)
	}
	return `[Unit]
Description=Application of fleet ` + strings.ReplaceAll(i.Fleet, "%", "%%") + `
Wants=network-online.target
Requires=` + environmentUnit + `
After=` + after + `
StartLimitIntervalSec=0

[Service]
EnvironmentFile=` + directory + `instance.env
EnvironmentFile=` + valuesFile + `
EnvironmentFile=/run/switchyard/secrets.env
ExecStart=` + strings.Join(words, " ") + `
Restart=always
RestartSec=2
`
}

var execEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "%", "%%", "$", "$$")

// execWord quotes a word of a command line:
// freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines.
func execWord(word string) string { return `"` + execEscapes.Replace(word) + `"` }
