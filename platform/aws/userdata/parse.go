package userdata

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrNotOurs is wrapped by Parse when Switchyard did not make the user data.
var ErrNotOurs = errors.New("this is not user data of Switchyard's making")

// Parse reads what Build was given from user data that it made.
func Parse(data []byte) (Instance, error) {
	parts, ours, err := partsOf(data)
	if err != nil {
		return Instance{}, err
	}
	hook, ok := parts[bootHook]
	if !ours || !ok {
		return Instance{}, ErrNotOurs
	}
	// On the wire, lines of a MIME part may end in CR LF.
	script := strings.ReplaceAll(string(hook.body), "\r\n", "\n")
	var i Instance
	about, err := fileIn(script, instanceFile)
	if err != nil {
		return Instance{}, err
	}
	if err := json.Unmarshal([]byte(about), &i); err != nil {
		return Instance{}, fmt.Errorf("%s in the user data: %w", instanceFile, err)
	}
	values, err := fileIn(script, valuesFile)
	if err != nil {
		return Instance{}, err
	}
	if i.Environment, err = parseEnvironment(values); err != nil {
		return Instance{}, err
	}
	refs, err := fileIn(script, secretsFile)
	if err != nil {
		return Instance{}, err
	}
	i.Secrets = parseReferences(refs)
	return i, nil
}

// fileIn is the content of a file that the boot hook writes.
func fileIn(script, path string) (string, error) {
	_, after, ok := strings.Cut(script, " "+path+" <<'"+endOfFile+"'\n")
	if !ok {
		return "", fmt.Errorf("%w: the boot hook does not write %s", ErrNotOurs, path)
	}
	content, _, ok := strings.Cut("\n"+after, "\n"+endOfFile+"\n")
	if !ok {
		return "", fmt.Errorf("%w: %s does not end", ErrNotOurs, path)
	}
	if content == "" {
		return "", nil
	}
	return content[1:] + "\n", nil
}
