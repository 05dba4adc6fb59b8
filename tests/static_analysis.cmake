# cppcheck over everything, and clang-tidy over what reads files and requests from outside: the whole of it takes clang-tidy
# many minutes (tests/lint).
find_program(GEMMA_CPPCHECK cppcheck)
find_program(GEMMA_CLANG_TIDY clang-tidy)
if(GEMMA_CPPCHECK)
  add_test(NAME cppcheck COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lint cppcheck)
  set_tests_properties(cppcheck PROPERTIES LABELS lint TIMEOUT 600)
endif()
if(GEMMA_CLANG_TIDY)
  add_test(NAME clang_tidy
           COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lint
                   gemma/json.cpp gemma/checkpoint/checkpoint.cpp gemma/checkpoint/mapped_file.cpp
                   gemma/checkpoint/safetensors.cpp gemma/cli/bounded_server.cpp gemma/cli/serve.cpp gemma/model/config.cpp
                   gemma/text/tokenizer.cpp gemma/text/utf8.cpp gemma/trace/npy.cpp gemma/trace/trace_file.cpp viz/live.cpp)
  set_tests_properties(clang_tidy PROPERTIES LABELS lint TIMEOUT 900)
endif()
