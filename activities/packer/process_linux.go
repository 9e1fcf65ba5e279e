package packer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// reapGrace is how long a Packer whose worker died may go on cleaning up before a
// retry kills it.
const reapGrace = 10 * time.Second

// childAttributes put Packer into a process group of its own and have the kernel ask
// it to stop when the thread that started it ends, which it does with the worker.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// end stops the process group of a dead worker's Packer: TERM, patience, KILL.
func (p process) end() error {
	if p.PID <= 1 {
		return nil
	}
	if p.running() {
		_ = syscall.Kill(p.PID, syscall.SIGTERM)
		for deadline := time.Now().Add(reapGrace); p.running() && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
	} else if now := startOf(p.PID); now != 0 {
		return nil // the id belongs to somebody else by now
	}
	return killGroup(p.PID)
}

func (p process) running() bool { return p.Started != 0 && startOf(p.PID) == p.Started }

func killGroup(pid int) error {
	err := syscall.Kill(-pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// startOf is when a process began, in clock ticks since boot; 0 when there is no such
// process or only its remains.
func startOf(pid int) uint64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	i := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[i+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}
