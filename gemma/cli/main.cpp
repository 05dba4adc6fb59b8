// The `gemma` program: one file of this folder for each subcommand.
//
// Exit codes: 0 success; 1 compared, and different; 2 bad input, told in one line on stderr.
#include "gemma/cli/commands.hpp"
#include "gemma/error.hpp"
#include "viz/console.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

namespace {

constexpr int success = 0, bad_input = 2;

constexpr const char* main_footer = R"(Examples (without --model they use the small model that comes with the program):
  gemma generate "Once upon a time"
  gemma chat --model gemma-2b-it
  gemma trace --prompt "Hello" --out hello.safetensors
  gemma lens --prompt "Once upon a time"
  gemma show hello.safetensors model.layers.0.self_attn.probs
  gemma view hello.safetensors --out hello.html
  gemma compare hello.safetensors reference.safetensors
  gemma diagnose reference.safetensors
  gemma inspect gemma-2b
  gemma random gemma-2b --out gemma-2b-random
  gemma bench --config gemma-2b

gemma SUBCOMMAND --help tells more.)";

std::string names_of_subcommands(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
    return fmt::format("{}", fmt::join(names, ", "));
}

// The option that was given more often than it can be, and what it was given; empty when there is none.
std::string given_too_often(const CLI::App& command) {
    for (const CLI::Option* option : command.get_options()) {
        const int most = option->get_items_expected_max();
        if (most < 1 || option->count() <= static_cast<std::size_t>(most)) continue;
        return fmt::format("{}: found {}, expected one", option->get_name(), fmt::join(option->results(), " and "));
    }
    return "";
}

// What is wrong with a command line. An argument that nobody takes is named before one that is missing: it was meant
// to be that one.
std::string complaint(const CLI::App& app, const CLI::Error& error) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    const std::vector<std::string> unknown = app.remaining(true);
    if (chosen.empty()) {
        return fmt::format("found {}, expected a subcommand: {}", unknown.empty() ? "none" : unknown.front(),
                           names_of_subcommands(app));
    }
    const CLI::App& command = *chosen.front();
    if (!unknown.empty()) {
        return fmt::format("found {}, which gemma {} does not take", fmt::join(unknown, " "), command.get_name());
    }
    const std::string too_often = given_too_often(command);
    return too_often.empty() ? error.what() : too_often;
}

// In one line, with the help that tells more.
std::string one_line(const CLI::App* app, const CLI::Error& error) {
    const std::vector<CLI::App*> chosen = app->get_subcommands();
    return fmt::format("gemma: {} (see gemma {}--help)\n", viz::printable(complaint(*app, error)),
                       chosen.empty() ? "" : chosen.front()->get_name() + " ");
}

int run(int argc, char** argv) {
    CLI::App app("Gemma from zero to hero: run the model, see every number on the way, compare it.", "gemma");
    app.get_formatter()->column_width(32);
    app.set_version_flag("--version", "gemma " GEMMA_VERSION, "Print the version and exit");
    app.require_subcommand(1);
    app.failure_message(one_line);
    app.footer(main_footer);
    gemma::add_generate(app);
    gemma::add_chat(app);
    gemma::add_trace(app);
    gemma::add_lens(app);
    gemma::add_show(app);
    gemma::add_view(app);
    gemma::add_compare(app);
    gemma::add_diagnose(app);
    gemma::add_serve(app);
    gemma::add_inspect(app);
    gemma::add_random(app);
    gemma::add_bench(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::RuntimeError& error) {  // a subcommand chose its exit code
        return error.get_exit_code();
    } catch (const CLI::ParseError& error) {  // a wrong command line, or --help and --version, which are fine
        return app.exit(error) == success ? success : bad_input;
    }
    return success;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit of ulimit -f: the write fails, and is told as all others
    try {
        const int code = run(argc, argv);
        if (std::fflush(stdout) != 0) gemma::fail("standard output cannot be written");
        return code;
    } catch (const std::bad_alloc&) {
        fmt::print(stderr, "gemma: there is not enough memory\n");
    } catch (const std::exception& error) {
        fmt::print(stderr, "gemma: {}\n", viz::printable(error.what()));
    }
    return bad_input;
}
