# A solution with a known mistake exits with 1 and is told which mistake it is.
execute_process(COMMAND ${PROGRAM} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
message("${output}")
if(NOT result EQUAL 1)
  message(FATAL_ERROR "the exercise exited with ${result}, expected 1: its solution has a mistake")
elseif(NOT output MATCHES "A known mistake.*\n    ${MISTAKE}: ")
  message(FATAL_ERROR "the exercise does not name the mistake ${MISTAKE}")
endif()
