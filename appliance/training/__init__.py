"""The workbench: data sets aligned and embedded, classifiers, fine-tuning. No door loads it."""
