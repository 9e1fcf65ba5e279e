package platformtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// AppVariable makes a test binary serve as the application under release instead of
// running tests, when set and MaybeServe is called first in TestMain.
const AppVariable = "SWITCHYARD_PLATFORMTEST_APP"

// HealthPath is where the application answers health checks.
const HealthPath = "/healthz"

// Answer is what the application says at /.
type Answer struct {
	Version     string            `json:"version"`
	Instance    string            `json:"instance"`
	Arguments   []string          `json:"arguments"`
	Environment map[string]string `json:"environment"`
}

// MaybeServe turns the test binary into the application when it was started as one;
// then it does not return.
func MaybeServe() {
	if os.Getenv(AppVariable) == "" {
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve() error {
	if os.Getenv("APP_MODE") == "crash" {
		return fmt.Errorf("told to crash at start")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+HealthPath, func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if ms, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil {
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
		if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
			w.WriteHeader(status)
			return
		}
		a := Answer{Version: os.Getenv("VERSION"), Instance: os.Getenv("INSTANCE_ID"), Arguments: os.Args[1:], Environment: map[string]string{}}
		for _, name := range []string{"GREETING", "API_KEY", "HOST", "PORT"} {
			a.Environment[name] = os.Getenv(name)
		}
		_ = json.NewEncoder(w).Encode(a)
	})
	fmt.Println("serving version", os.Getenv("VERSION"))
	server := &http.Server{Addr: net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return server.Shutdown(end)
	}
}
