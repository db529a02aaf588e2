"""Device bytes to reads: LLRP readers, barcode scanners and recordings, all behind one `Driver` protocol."""
