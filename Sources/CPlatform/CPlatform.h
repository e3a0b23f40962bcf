// System calls and CPU queries that Swift's Glibc module does not offer.
#pragma once
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <linux/futex.h>
