"""`portcullis import elbv2`, fed with what boto3 prints of a load balancer that moto holds."""

import http.client
import json
import pathlib
import subprocess
import tempfile

import boto3
from moto import mock_aws

from gateway import BINARY, PATIENCE, Gateway, Server, Suite


def run():
    suite = Suite("elbv2", "a load balancer of moto's, imported and served")
    with tempfile.TemporaryDirectory() as name, Server() as orders, Server() as legacy:
        folder = pathlib.Path(name)
        with mock_aws():
            describe(folder / "aws", orders, legacy)
        routes, report = folder / "routes.yaml", folder / "import.md"
        command = [BINARY, "import", "elbv2", folder / "aws", "--output", routes, "--report", report]
        done = subprocess.run(command, capture_output=True, text=True)
        suite.check("it is imported", done.returncode == 0, done.stderr)
        again = subprocess.run(command, capture_output=True, text=True)
        suite.check("nothing is written over", again.returncode == 1 and "--force" in again.stderr)
        judged = subprocess.run([BINARY, "check", "--portable", "--strict", routes],
                                capture_output=True, text=True)
        suite.check("the file is good", judged.returncode == 0, judged.stdout + judged.stderr)
        told = report.read_text()
        suite.check("what signs in is told", "authenticate-cognito" in told, told)
        suite.check("nothing unknown is left", "not known to this importer" not in told, told)
        serve(suite, routes.read_text())
    return suite.tell()


def client(service):
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="none",
                        aws_secret_access_key="none")


def describe(folder, orders, legacy):
    """Makes a load balancer and writes down what AWS's commands would print of it."""
    folder.mkdir()
    ec2, elb = client("ec2"), client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24",
                          AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for n, zone in enumerate("ab")]
    balancer = elb.create_load_balancer(Name="edge", Subnets=subnets)["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": "idle_timeout.timeout_seconds", "Value": "90"}])

    def group(name, server):
        made = elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc,
                                       TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
        elb.register_targets(TargetGroupArn=made,
                             Targets=[{"Id": "127.0.0.1", "Port": int(server.address.rpartition(":")[2])}])
        return made

    groups = {"orders": group("orders", orders), "legacy": group("legacy", legacy)}
    listener = elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {
            "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "nothing here"}}],
    )["Listeners"][0]["ListenerArn"]

    def rule(priority, conditions, *actions):
        elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=conditions,
                        Actions=[{**action, "Order": n + 1} for n, action in enumerate(actions)])

    def path(*values):
        return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}

    forward = {name: {"Type": "forward", "TargetGroupArn": group} for name, group in groups.items()}
    rule(10, [path("/orders/*"), {"Field": "http-request-method",
                                  "HttpRequestMethodConfig": {"Values": ["GET"]}}],
         forward["orders"])
    rule(20, [path("/old/*")], {"Type": "redirect", "RedirectConfig": {
        "Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}})
    rule(30, [{"Field": "http-header", "HttpHeaderConfig": {
        "HttpHeaderName": "X-Env", "Values": ["legacy*"]}}], forward["legacy"])
    rule(40, [{"Field": "query-string", "QueryStringConfig": {
        "Values": [{"Key": "v", "Value": "1"}]}}], forward["legacy"])
    rule(50, [path("/account/*")],
         {"Type": "authenticate-cognito", "AuthenticateCognitoConfig": {
             "UserPoolArn": "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEf123",
             "UserPoolClientId": "app", "UserPoolDomain": "people"}},
         forward["orders"])

    def write(name, answer):
        answer.pop("ResponseMetadata", None)
        (folder / f"{name}.json").write_text(json.dumps(answer, default=str))

    write("load-balancers", elb.describe_load_balancers())
    write("listeners", elb.describe_listeners(LoadBalancerArn=arn))
    write("rules-80", elb.describe_rules(ListenerArn=listener))
    write("target-groups", elb.describe_target_groups())
    write("attributes-edge", elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
    for name, made in groups.items():
        write(f"attributes-{name}", elb.describe_target_group_attributes(TargetGroupArn=made))
        write(f"health-{name}", elb.describe_target_health(TargetGroupArn=made))


def serve(suite, text):
    """The imported file at work, but for its port."""
    suite.check("attributes of the load balancer", "idle_timeout: 90s" in text, text)
    text = text.replace('"0.0.0.0:80"', '"127.0.0.1:0"')
    with Gateway("admin: { address: 127.0.0.1:0 }\n" + text) as gateway:
        for what, request, status in [
            ("a rule with a path and a method", ("GET", "/orders/1", {}), 200),
            ("another method", ("POST", "/orders/1", {}), 404),
            ("a redirect", ("GET", "/old/x", {}), 301),
            ("a header", ("GET", "/x", {"X-Env": "legacy-7"}), 200),
            ("a query", ("GET", "/x?v=1", {}), 200),
            ("another query", ("GET", "/x?v=2", {}), 404),
            ("who had to sign in is not let through", ("GET", "/account/1", {}), 503),
            ("the default", ("GET", "/", {}), 404),
        ]:
            suite.equal(what, ask(gateway.address, *request), status)


def ask(address, method, path, headers):
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
