// The subcommands of the `gemma` program, one file each. Each function adds its subcommand: name, options, help, and
// what to run, which throws an Error for bad input (main prints it and exits with code 2) or
// CLI::RuntimeError(exit_code_different) for "compared, and different".
#pragma once

#include <CLI/CLI.hpp>

namespace gemma {

constexpr int exit_code_different = 1;

void add_generate(CLI::App& app);
void add_chat(CLI::App& app);
void add_trace(CLI::App& app);
void add_lens(CLI::App& app);
void add_show(CLI::App& app);
void add_view(CLI::App& app);
void add_compare(CLI::App& app);
void add_diagnose(CLI::App& app);
void add_serve(CLI::App& app);
void add_inspect(CLI::App& app);
void add_random(CLI::App& app);
void add_bench(CLI::App& app);

}  // namespace gemma
