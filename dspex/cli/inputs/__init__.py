"""What command lines name: options, targets, data files, language models, budgets, deployments."""
