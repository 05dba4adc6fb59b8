// What the machine is, how much memory the process takes, and how much is left.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace gemma::bench {

/// The processor's name, as the system tells it: "AMD EPYC". "unknown processor" where it does not.
std::string processor_name();

/// The most memory that the process had at one time so far, mapped files included: the kernel's peak resident set.
std::size_t peak_memory();

/// Lets the peak begin again at what the process has now, where the system can (Linux).
void reset_peak_memory();

/// Bytes that a new program can take without swapping (what the machine has, or the limit of the control group where
/// that is less); none on systems that do not tell.
std::optional<std::size_t> available_memory();

}  // namespace gemma::bench
