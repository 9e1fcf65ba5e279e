package oci

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// alive says whether a process of this id exists and is not a zombie.
func alive(pid int) bool {
	fields := statFields(pid)
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// processStart is when the process began, in clock ticks since boot; 0 when it is not there.
func processStart(pid int) uint64 {
	fields := statFields(pid)
	if len(fields) < 20 {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// statFields are the fields of /proc/<pid>/stat from the state on; the name before
// it may hold spaces and brackets.
func statFields(pid int) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	i := bytes.LastIndexByte(raw, ')')
	if i < 0 {
		return nil
	}
	return strings.Fields(string(raw[i+1:]))
}

// stopOwner waits for the process that made the staging directory, and kills it when
// it neither removes the directory nor ends in time.
func stopOwner(m bakeMark, dir string) {
	running := func() bool {
		return m.PID != os.Getpid() && alive(m.PID) && processStart(m.PID) == m.Started
	}
	deadline := time.Now().Add(ownerGrace)
	for running() && time.Now().Before(deadline) {
		if _, err := os.Stat(dir); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	if running() {
		_ = syscall.Kill(m.PID, syscall.SIGKILL)
	}
}

// killUsersOf kills every process whose environment names root as its image root,
// until there are none: a process may start another one while we look.
func killUsersOf(root string) {
	want := []byte(RootVariable + "=" + root)
	for range 50 {
		found := false
		files, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, f := range files {
			pid, err := strconv.Atoi(strings.Split(f, "/")[2])
			if err != nil || pid == os.Getpid() {
				continue
			}
			env, err := os.ReadFile(f)
			if err != nil || !hasVariable(env, want) || !alive(pid) {
				continue
			}
			found = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !found {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func hasVariable(environ, want []byte) bool {
	for _, v := range bytes.Split(environ, []byte{0}) {
		if bytes.Equal(v, want) {
			return true
		}
	}
	return false
}
