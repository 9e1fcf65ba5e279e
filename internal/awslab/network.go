package awslab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// network is 127.BLOCK.0.0/16, the addresses of one region. Its VPC has the same
// addresses, so that the private address of an instance is one its process can have.
type network struct {
	block int
	lock  net.Listener // keeps the block, until this process ends
}

// Hosts in the last subnet of a region's network; instances have the first two subnets.
const (
	hostEntry    = 1
	hostAdmin    = 2
	hostNoTarget = 3
	hostBalancer = 4
	hostLock     = 250
	lockPort     = 20770
	adminPort    = 20190
	noTargetPort = 20191
	firstPort    = 8000 // of the entries
	slots        = 64   // targets in one region
	firstBlock   = 2    // the local platform has 127.64.0.0/10
	lastBlock    = 63
)

// takeNetwork finds a network that no other lab on this machine has.
func takeNetwork(ctx context.Context) (network, error) {
	var config net.ListenConfig
	for block := firstBlock; block <= lastBlock; block++ {
		n := network{block: block}
		lock, err := config.Listen(ctx, "tcp", n.address(hostLock, lockPort))
		if err == nil {
			n.lock = lock
			return n, nil
		}
	}
	return network{}, errors.New("find addresses for a region: every network from 127.2.0.0/16 to 127.63.0.0/16 is taken (end other labs on this machine)")
}

func (n network) address(host, port int) string {
	return net.JoinHostPort(fmt.Sprintf("127.%d.255.%d", n.block, host), strconv.Itoa(port))
}

func (n network) cidr() string { return fmt.Sprintf("127.%d.0.0/16", n.block) }

func (n network) subnet(k int) string { return fmt.Sprintf("127.%d.%d.0/20", n.block, 16*k) }
