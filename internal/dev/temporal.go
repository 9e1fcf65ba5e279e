package dev

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sys/unix"

	"github.com/switchyard/switchyard/starter"
)

const (
	loopback     = "127.0.0.1"
	temporalPort = 7233
	uiPort       = 8233
	temporalUp   = 60 * time.Second
)

// startTemporal starts the dev server and waits until a client gets an answer.
func (s *Stack) startTemporal(ctx context.Context) error {
	port, err := s.choosePort(s.o.TemporalPort, temporalPort)
	if err != nil {
		return err
	}
	argv := []string{s.temporalBin, "server", "start-dev", "--ip", loopback, "--port", strconv.Itoa(port), "--log-level", "warn", "--namespace", s.Namespace}
	// The dev server lets timers and retries be up to a second late; a soak with looks
	// every half second would take three times as long.
	argv = append(argv, "--dynamic-config-value", `history.timerProcessorMaxTimeShift="1ms"`)
	if s.o.Headless {
		argv = append(argv, "--headless")
	} else {
		ui, err := s.choosePort(s.o.UIPort, uiPort)
		if err != nil {
			return err
		}
		argv = append(argv, "--ui-port", strconv.Itoa(ui))
		s.UIURL = fmt.Sprintf("http://%s:%d", loopback, ui)
	}
	if s.o.Persist {
		argv = append(argv, "--db-filename", filepath.Join(s.Dir, "temporal.db"))
	}
	var attributes []string
	for name, kind := range starter.SearchAttributes() {
		attributes = append(attributes, name+"="+kind.String())
	}
	slices.Sort(attributes)
	for _, a := range attributes {
		argv = append(argv, "--search-attribute", a)
	}
	s.TemporalAddress = fmt.Sprintf("%s:%d", loopback, port)
	if s.temporal, err = launch("temporal", argv, s.env(), s.log("temporal")); err != nil {
		return err
	}
	if err := s.save(); err != nil {
		return err
	}
	return s.awaitTemporal(ctx)
}

func (s *Stack) awaitTemporal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, temporalUp)
	defer cancel()
	var last error
	for {
		c, err := starter.Connect(ctx, s.connection())
		if err == nil {
			// Registering waits until the namespace lists the attributes, and adds
			// those that an older database lacks.
			_, err = starter.RegisterSearchAttributes(ctx, c, s.Namespace)
			c.Close()
		}
		if err == nil {
			return nil
		}
		last = err
		select {
		case <-s.temporal.done:
			return fmt.Errorf("start Temporal at %s: it ended (%w); its log %s says:\n%s", s.TemporalAddress, s.temporal.ended(), s.log("temporal"), endsWith(s.log("temporal"), 5))
		case <-ctx.Done():
			return fmt.Errorf("start Temporal at %s: %w (see %s)", s.TemporalAddress, last, s.log("temporal"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *Stack) connection() starter.ConnectOptions {
	return starter.ConnectOptions{Address: s.TemporalAddress, Namespace: s.Namespace, Within: 2 * time.Second}
}

// Client is a new connection to the stack's Temporal; the caller closes it.
func (s *Stack) Client(ctx context.Context) (client.Client, error) {
	return starter.Connect(ctx, s.connection())
}

// choosePort is the wanted port, which has to be free then, or else the usual one
// when that is free, or else any.
func (s *Stack) choosePort(wanted, usual int) (int, error) {
	if wanted != 0 {
		if !free(wanted) {
			return 0, fmt.Errorf("use port %d of %s: something listens there already; choose another one, or none to have a free one taken", wanted, loopback)
		}
		return wanted, nil
	}
	if s.reserve(usual) && free(usual) {
		return usual, nil
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", loopback+":0")
	if err != nil {
		return 0, fmt.Errorf("find a free port of %s: %w", loopback, err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// reserve keeps other stacks off a port until this one stops. Without it two that
// start at once find the port free, and the slower one gets the other's server.
func (s *Stack) reserve(port int) bool {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("switchyard-port-%d.lock", port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil { // another user's: they have the port, or may take it
		return false
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return false
	}
	s.ports = append(s.ports, f)
	return true
}

func free(port int) bool {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
