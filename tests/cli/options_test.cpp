// The command line: which argument a refusal names, what it says was found, and what was expected.
#include "tests/support/program.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gemma;
using namespace gemma::program;

TEST_CASE("--threads: the same limits in every subcommand") {
    const TemporaryDirectory folder;
    for (const std::string command : {"generate x", "trace --tokens 2 --out t.safetensors", "chat", "bench"}) {
        check_error(command + " --threads 100000", folder, "--threads: found 100000, expected at most 1024");
        check_error(command + " --threads 0", folder, "--threads: found 0, expected a whole number, 1 or more");
    }
}

TEST_CASE("options that are numbers say what they expect") {
    const TemporaryDirectory folder;
    check_error("generate x --max-tokens abc", folder, "--max-tokens: found abc, expected a whole number, 0 or more");
    check_error("generate x --max-tokens 99999999999999999999999", folder,
                "--max-tokens: found 99999999999999999999999, expected at most ");
    check_error("generate x --seed 1.5", folder, "--seed: found 1.5, expected a whole number, 0 or more");
    check_error("generate x --temperature abc", folder, "--temperature: found abc, expected a number such as 0.5");
    check_error("generate x --top-p ''", folder, "--top-p: found , expected a number such as 0.5");
    check_error("bench --prompt-tokens 5,x", folder, "--prompt-tokens: found x, expected a whole number, 0 or more");
    check_error("compare a b --tolerance abc", folder, "--tolerance: found abc, expected a number such as 0.5");
    for (const std::string top : {"-1", "0"}) {
        check_error("lens --tokens 2 --top " + top, folder, "--top: found " + top + ", expected a whole number, 1 or");
    }
}
