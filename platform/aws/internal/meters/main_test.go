package meters_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/switchyard/switchyard/internal/awslab/moto"
)

var server *moto.Server

func TestMain(m *testing.M) {
	s, err := moto.Start(context.Background(), moto.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	code := m.Run()
	s.Stop()
	os.Exit(code)
}
