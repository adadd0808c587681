# Thin names for the bare commands: each line is what you would type yourself after `source activate.sh`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
MEMORY_GIB ?= 32
CORES ?= 8
PROFILE ?= oltp
ENVIRONMENT ?= lab
HOST ?= db1
STACK ?= production
GROUP ?= backup
FRESH ?=
TEST := python3 -m tests.everything

.PHONY: help up down destroy status card ssh psql test lint unit engine aws molecule molecule-all app lab host proofs proofs-all report bench drills sizing docs goldens requirements cost prices deployer-policy smoke-aws smoke-aws-clean

help: ## Show what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- the lab
up: ## From nothing to a running, verified, migrated cluster and its connection card
	@lab/run up
down: ## Stop the lab's hosts; all data is kept
	@lab/run down
destroy: ## Remove the lab with its volumes (asks you to type its name; YES=1 answers)
	@lab/run destroy
status: ## Hosts, volumes, cluster members and services at a glance
	@lab/run status
card: ## Print the connection card
	@source activate.sh && ansible-playbook ansible/playbooks/show_card.yml
ssh: ## A shell on a host: make ssh HOST=db1
	@lab/run ssh $(HOST)
psql: ## psql as postgres on the leader
	@lab/run psql

# ---- proofs
test: ## Everything that proves the repository
	@$(TEST)
lint: ## ruff, mypy, ansible-lint, yamllint, shellcheck
	@$(TEST) lint
unit: ## Tests that need no host
	@$(TEST) unit
engine: ## The Pulumi program through the real engine
	@$(TEST) engine
aws: ## What asks AWS, against a server of its API on this machine
	@$(TEST) aws
goldens: ## Write anew what each example stack on AWS declares: tests/golden, whose diff is for review
	@source activate.sh && python tests/unit/pulumi/goldens.py
molecule: ## Each role's default scenario on real hosts
	@$(TEST) molecule
molecule-all: ## Each scenario of each role
	@$(TEST) molecule-all
app: ## The Django project on a real PostgreSQL 17
	@$(TEST) app
host: ## Verify an environment's hosts: make host ENVIRONMENT=production
	@source activate.sh && pytest tests/host --environment $(ENVIRONMENT)
lab: ## The lab's own resources: hosts removed, stopped, added and taken away
	@$(TEST) lab
proofs: ## Drift, refusals, reboot and failover on the running lab
	@$(TEST) proofs
report: ## Host verification as an HTML page
	@source activate.sh && pytest tests/host --environment $(ENVIRONMENT) --report dist/report.html
proofs-all: ## The long ones too: runs that were killed or failed on the way, new certificates, a host added and retired
	@$(TEST) proofs-all
bench: ## Speed of site, application and backups (90 min; needs `make down`; GIGABYTES=5), into docs/results
	@$(TEST) bench
drills: ## Break the running lab on purpose and measure: make drills GROUP=backup (goes on where it was; FRESH=1 begins anew)
	@source activate.sh && FRESH=$(FRESH) python -m tests.drills $(GROUP)

smoke-aws: ## First proof on your AWS account: a small stack is made, looked at and destroyed (shows its costs, asks)
	@source activate.sh && PYTHONPATH=pulumi python -m smoke prove $(STACK)
smoke-aws-clean: ## Take away what an interrupted smoke-aws left
	@source activate.sh && PYTHONPATH=pulumi python -m smoke clean $(STACK)

# ---- tools
sizing: ## Explain each PostgreSQL setting: make sizing MEMORY_GIB=32 CORES=8 PROFILE=oltp
	@python3 ansible/plugins/filter/sizing.py --memory-gib $(MEMORY_GIB) --cores $(CORES) --profile $(PROFILE)
cost: ## What a stack costs a month, and an equal managed database: make cost STACK=production
	@source activate.sh && PYTHONPATH=pulumi python -m cost show $(STACK)
prices: ## Read the prices of a stack's regions from AWS (your credentials)
	@source activate.sh && PYTHONPATH=pulumi python -m cost refresh $(STACK)
deployer-policy: ## Write the IAM policies of who deploys a stack, proves it and runs its playbooks: make deployer-policy STACK=production
	@source activate.sh && PYTHONPATH=pulumi python -m deployer $(STACK)
docs: ## Write the roles' READMEs and the tables of docs/policies.md from what they describe
	@source activate.sh && python lab/role_readme.py && python pulumi/policy/write_docs.py
requirements: ## Compile requirements.in to requirements.txt
	@source activate.sh && "$$(python3 -c 'from lab import environment; print(environment.uv())')" pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links requirements.in -o requirements.txt
