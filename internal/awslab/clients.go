package awslab

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// clients are the lab's own. They go to moto directly, so that what a proxy in front of
// it records is what others call.
type clients struct {
	ec2        *ec2.Client
	groups     *autoscaling.Client
	elb        *elb.Client
	cloudwatch *cloudwatch.Client
	iam        *iam.Client
	ssm        *ssm.Client
	secrets    *secretsmanager.Client
}

func newClients(endpoint, region string) clients {
	c := aws.Config{
		Region: region, BaseEndpoint: aws.String(endpoint), HTTPClient: &http.Client{Transport: marked{http.DefaultTransport}},
		Credentials: credentials.NewStaticCredentialsProvider("lab", "lab", ""),
	}
	return clients{
		ec2: ec2.NewFromConfig(c), groups: autoscaling.NewFromConfig(c), elb: elb.NewFromConfig(c), cloudwatch: cloudwatch.NewFromConfig(c),
		iam: iam.NewFromConfig(c), ssm: ssm.NewFromConfig(c), secrets: secretsmanager.NewFromConfig(c),
	}
}

// marked tells the launcher that a call is the data plane's own (launcher/changes.py).
type marked struct{ next http.RoundTripper }

func (m marked) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Switchyard-Lab", "1")
	return m.next.RoundTrip(r)
}
