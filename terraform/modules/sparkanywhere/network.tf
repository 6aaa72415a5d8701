# Local zones, which an account may have joined and which would be listed first, have no Fargate; nor have two others:
# docs.aws.amazon.com/AmazonECS, "Supported Regions for Amazon ECS on AWS Fargate" (2026).
# A zone that is impaired for a while stays: its subnet is in use, and the others' addresses go by the zones' order.
data "aws_availability_zones" "here" {
  exclude_zone_ids = ["apne1-az3", "usw1-az2"]

  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }
}

locals {
  zones      = slice(data.aws_availability_zones.here.names, 0, min(var.availability_zones, length(data.aws_availability_zones.here.names)))
  is_public  = var.network == "public"
  reached    = concat(["ecr.api", "ecr.dkr", "logs", "sts", "execute-api"], var.execute_command ? ["ssmmessages"] : [])
  interfaces = toset(var.network == "endpoints" ? local.reached : [])
}

resource "aws_vpc" "this" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = local.deployment })
}

resource "aws_internet_gateway" "this" {
  count  = var.network == "endpoints" ? 0 : 1
  vpc_id = aws_vpc.this.id
  tags   = merge(local.tags, { Name = local.deployment })
}

# The subnets that tasks run in.
resource "aws_subnet" "tasks" {
  for_each                = { for index, zone in local.zones : zone => index }
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.vpc_cidr, 4, each.value)
  map_public_ip_on_launch = local.is_public
  tags                    = merge(local.tags, { Name = "${local.deployment}-tasks-${each.key}" })
}

resource "aws_route_table" "tasks" {
  vpc_id = aws_vpc.this.id
  tags   = merge(local.tags, { Name = "${local.deployment}-tasks" })
}

resource "aws_route_table_association" "tasks" {
  for_each       = aws_subnet.tasks
  subnet_id      = each.value.id
  route_table_id = aws_route_table.tasks.id
}

# The one way out, which changes in place: a table takes no second route to the same addresses.
resource "aws_route" "outside" {
  count                  = var.network == "endpoints" ? 0 : 1
  route_table_id         = aws_route_table.tasks.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = local.is_public ? aws_internet_gateway.this[0].id : null
  nat_gateway_id         = one(aws_nat_gateway.this[*].id)
}

# There was a route for each kind of network, of which a state has one; a chain, since two moves to one place are refused.
moved {
  from = aws_route.internet
  to   = aws_route.nat
}

moved {
  from = aws_route.nat
  to   = aws_route.outside
}

# One NAT gateway in a public subnet of its own: by choice, since it costs while nothing runs.
resource "aws_subnet" "nat" {
  count             = var.network == "nat" ? 1 : 0
  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[0]
  cidr_block        = cidrsubnet(var.vpc_cidr, 8, 255)
  tags              = merge(local.tags, { Name = "${local.deployment}-nat" })
}

resource "aws_route_table" "nat" {
  count  = var.network == "nat" ? 1 : 0
  vpc_id = aws_vpc.this.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this[0].id
  }

  tags = merge(local.tags, { Name = "${local.deployment}-nat" })
}

resource "aws_route_table_association" "nat" {
  count          = var.network == "nat" ? 1 : 0
  subnet_id      = aws_subnet.nat[0].id
  route_table_id = aws_route_table.nat[0].id
}

resource "aws_eip" "nat" {
  count  = var.network == "nat" ? 1 : 0
  domain = "vpc"
  tags   = merge(local.tags, { Name = "${local.deployment}-nat" })
}

resource "aws_nat_gateway" "this" {
  count         = var.network == "nat" ? 1 : 0
  allocation_id = aws_eip.nat[0].id
  subnet_id     = aws_subnet.nat[0].id
  tags          = merge(local.tags, { Name = local.deployment })
  depends_on    = [aws_internet_gateway.this]
}

# Data in S3 and objects in DynamoDB by gateway endpoints: these cost nothing, in any kind of network.
resource "aws_vpc_endpoint" "gateway" {
  for_each          = toset(["s3", "dynamodb"])
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.tasks.id]
  tags              = merge(local.tags, { Name = "${local.deployment}-${each.key}" })
}

# With such endpoints the API is a private one: from a network that resolves execute-api to its own endpoint, as this one
# then does, no public API can be reached. So people come through that endpoint too, from inside of the VPC.
resource "aws_security_group" "endpoints" {
  count       = var.network == "endpoints" ? 1 : 0
  name        = "${local.deployment}-endpoints"
  description = "Interface endpoints: HTTPS from the VPC"
  vpc_id      = aws_vpc.this.id
  tags        = merge(local.tags, { Name = "${local.deployment}-endpoints" })

  ingress {
    description = "HTTPS from the VPC"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = [var.vpc_cidr]
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = local.interfaces
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.tasks : subnet.id]
  security_group_ids  = [aws_security_group.endpoints[0].id]
  tags                = merge(local.tags, { Name = "${local.deployment}-${each.key}" })
}

# Executors open random ports to one another and to the driver: all TCP among the tasks of a group, nothing from outside.
resource "aws_security_group" "tasks" {
  for_each    = local.tenants
  name        = "${local.deployment}-tasks${each.value}"
  description = "Spark tasks: all TCP among themselves, nobody else in"
  vpc_id      = aws_vpc.this.id
  tags        = merge(local.tags, { Name = "${local.deployment}-tasks${each.value}" })

  ingress {
    description = "Tasks of this group"
    from_port   = 0
    to_port     = 65535
    protocol    = "tcp"
    self        = true
  }

  egress {
    description = "Anywhere"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
