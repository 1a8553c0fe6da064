"""What is played on the board: each module has NAME and run(board), which gives its rows."""
