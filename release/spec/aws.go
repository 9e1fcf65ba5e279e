package spec

// What happens to data volumes, which a new fleet does not get from the old one.
const (
	DataVolumesRefuse = "refuse"
	DataVolumesFresh  = "fresh"
)

// What happens to an image whose files can't be searched for secrets.
const (
	UnreadableRefuse = "refuse"
	UnreadableAccept = "accept"
)

// AWS is how fleets run on AWS. What the live group has beyond it (scaling policies,
// lifecycle hooks, tags and so on) is carried over to the candidate.
type AWS struct {
	// Role that is assumed for every call. Absent: the worker's own credentials.
	Role string `json:"role,omitempty" yaml:"role,omitempty" form:"roleArn"`
	// External id that the role's trust policy asks for.
	ExternalID string `json:"externalId,omitempty" yaml:"externalId,omitempty" form:"text"`
	// Instance type of the fleets.
	InstanceType string `json:"instanceType" yaml:"instanceType" need:"required" form:"instanceType"`
	// Name of the instance profile that the instances run with. Absent: none.
	InstanceProfile string `json:"instanceProfile,omitempty" yaml:"instanceProfile,omitempty" form:"awsName"`
	// Port the application listens on.
	Port int `json:"port,omitempty" yaml:"port,omitempty" default:"8080" min:"1" max:"65535"`
	// Smallest number of instances that scaling may choose. Absent: the live group's own, else fleet.instances.
	MinInstances int `json:"minInstances,omitempty" yaml:"minInstances,omitempty" min:"1" max:"1000"`
	// Largest number of instances that scaling may choose. Absent: the live group's own, else fleet.instances.
	MaxInstances int `json:"maxInstances,omitempty" yaml:"maxInstances,omitempty" min:"1" max:"1000"`
	// Time after an instance's start in which failed health checks do not count.
	HealthGrace Duration `json:"healthGrace,omitzero" yaml:"healthGrace,omitempty" default:"2m" min:"1s" max:"2h"`
	// Encrypt every volume. false is refused unless the worker allows it.
	EncryptVolumes *bool `json:"encryptVolumes,omitempty" yaml:"encryptVolumes,omitempty" default:"true"`
	// Data volumes of the image or of the live group: refuse the release, or give each instance fresh ones. Their
	// contents are never carried over.
	DataVolumes string `json:"dataVolumes,omitempty" yaml:"dataVolumes,omitempty" default:"refuse" enum:"refuse,fresh"`
	// Accounts that may launch the image too.
	ShareWith []string `json:"shareWith,omitempty" yaml:"shareWith,omitempty" max:"100" form:"accountId"`
}

// AWSRegion is the load balancer and the network of one region. The Terraform module
// in deployments/terraform makes what is named here.
type AWSRegion struct {
	// Listener, or rule of a listener, whose forward action splits the traffic between the two target groups.
	Listener string `json:"listener" yaml:"listener" need:"required" form:"listenerArn"`
	// The two target groups; each holds one fleet at a time.
	TargetGroups []string `json:"targetGroups" yaml:"targetGroups" need:"required" min:"2" max:"2" form:"targetGroupArn"`
	// Subnets the instances run in, best in two zones at least.
	Subnets []string `json:"subnets" yaml:"subnets" need:"required" min:"1" max:"16" form:"subnetId"`
	// Security groups of the instances.
	SecurityGroups []string `json:"securityGroups" yaml:"securityGroups" need:"required" min:"1" max:"16" form:"securityGroupId"`
	// URL at which users reach the application. Absent: the load balancer's own name, with the listener's protocol and port.
	Entry string `json:"entry,omitempty" yaml:"entry,omitempty" form:"httpUrl"`
	// Role that is assumed in this region instead of aws.role, as for a region with an account of its own.
	Role string `json:"role,omitempty" yaml:"role,omitempty" form:"roleArn"`
	// Key that encrypts volumes and copied images: its ARN. Absent: the account's default key for EBS.
	KMSKey string `json:"kmsKey,omitempty" yaml:"kmsKey,omitempty" form:"kmsKeyArn"`
}

// Settings is what a platform has to know for a release beyond what each call says.
// The zero value is the settings of a platform that needs none.
type Settings struct {
	AWS     *AWS     `json:"aws,omitempty"`
	Regions []Region `json:"regions,omitempty"` // in the spec's order; images are baked in the first
}

// Settings is what the platform of the spec has to know.
func (s Spec) Settings() Settings {
	if s.AWS == nil {
		return Settings{}
	}
	return Settings{AWS: s.AWS, Regions: s.Regions}
}

// Region finds the settings of a region, nil when the spec has none for it.
func (s Settings) Region(name string) *AWSRegion {
	for i := range s.Regions {
		if s.Regions[i].Name == name {
			return s.Regions[i].AWS
		}
	}
	return nil
}

// Home is the region in which images are baked and first looked for, "" without regions.
func (s Settings) Home() string {
	if len(s.Regions) == 0 {
		return ""
	}
	return s.Regions[0].Name
}
