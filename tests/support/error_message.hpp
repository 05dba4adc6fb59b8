// The message of the Error that a call ends in.
#pragma once

#include "gemma/error.hpp"

#include <string>

namespace gemma {

/// What `call` says when it throws an Error, or "no error".
template <typename Call>
std::string error_message(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace gemma
