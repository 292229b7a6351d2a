"""Every kind of fault, with how often it is drawn."""

from lockstep.proof.stress.faults import codes, connections, locks, patients, processes, server, switches
from lockstep.proof.stress.faults.fault import Kind

KINDS: tuple[Kind, ...] = (
    Kind("kill a worker", 3, processes.kill_worker),
    Kind("stop a worker", 3, processes.stop_worker),
    Kind("kill a client", 2, processes.kill_client),
    Kind("stop a client", 3, processes.stop_client),
    Kind("restart the workers", 0.3, processes.restart_workers, most=4),
    Kind("cut a backend", 18, connections.cut_backend),
    Kind("reset connections", 16, connections.reset),
    Kind("lose a reply", 12, connections.lose_reply),
    Kind("delay", 4, connections.delay),
    Kind("black hole", 3, connections.black_hole),
    Kind("exhaust connections", 1, connections.exhaust, most=20),
    Kind("lock a table", 4, locks.lock_table),
    Kind("lock rows", 7, locks.lock_rows),
    Kind("sleep in a transaction", 0.8, locks.sleep_in_transaction, most=15),
    Kind("dead-lock", 2, locks.dead_lock),
    Kind("fail by code", 8, codes.fail_by_code),
    Kind("send twice", 3, patients.send_twice),
    Kind("send out of order", 3, patients.send_out_of_order),
    Kind("send late", 3, patients.send_late),
    Kind("clock jump", 3, patients.clock_jump),
    Kind("change a zone", 2, patients.change_zone),
    Kind("enrol in mid-switch", 2, patients.enrol_in_mid_switch),
    Kind("discharge in mid-switch", 2, patients.discharge_in_mid_switch),
    Kind("rival switches", 2, switches.rival_switches),
    Kind("restart the database", 0.6, server.restart_database, most=30),
    Kind("fill the disk", 0.5, server.fill_disk, most=20),
)
