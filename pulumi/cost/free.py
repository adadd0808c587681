"""The resource types that cost nothing by themselves, each with the reason."""

from collections.abc import Mapping

FREE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
            "aws:ec2/internetGateway:InternetGateway",
            "aws:ec2/route:Route",
            "aws:ec2/routeTable:RouteTable",
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            "aws:ec2/securityGroup:SecurityGroup",
            "aws:ec2/subnet:Subnet",
            "aws:ec2/subnetCidrReservation:SubnetCidrReservation",
            "aws:ec2/vpc:Vpc",
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        ),
        "the network itself",
    ),
    **dict.fromkeys(
        (
            "aws:iam/instanceProfile:InstanceProfile",
            "aws:iam/role:Role",
            "aws:iam/rolePolicy:RolePolicy",
        ),
        "IAM",
    ),
    **dict.fromkeys(
        (
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            "aws:s3/bucketLogging:BucketLogging",
            "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            "aws:s3/bucketPolicy:BucketPolicy",
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "aws:s3/bucketVersioning:BucketVersioning",
        ),
        "a setting of a bucket; what it holds is counted there",
    ),
    **dict.fromkeys(
        (
            "aws:ec2/volumeAttachment:VolumeAttachment",
            "aws:kms/alias:Alias",
            "aws:lb/listener:Listener",
            "aws:lb/targetGroup:TargetGroup",
            "aws:lb/targetGroupAttachment:TargetGroupAttachment",
            "aws:route53/record:Record",
        ),
        "a part of something that is counted",
    ),
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint": "EC2 user guide: no charge for endpoints",
    "aws:sns/topic:Topic": "SNS: no charge for topics",
    "aws:sns/topicPolicy:TopicPolicy": "SNS: no charge for topics",
    "aws:sns/topicSubscription:TopicSubscription": "SNS: 1,000 e-mails a month without charge; alarms are fewer",
}
