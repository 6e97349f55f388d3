"""What the tests share: waiting, repositories, a scripted agent, an observer of processes, a state directory with an engine."""
