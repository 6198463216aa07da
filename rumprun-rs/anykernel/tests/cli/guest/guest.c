/*
 * A guest that stands in for the kernel in tests of `bake` and `run`: it speaks the protocol and
 * does what the first argument of its program says. 32-bit code without paging, polling, so that
 * what is tested is the tool and nothing else.
 *
 *   report          the image table's contents, as seen from inside
 *   words           the command line
 *   streams         a line on standard output, another on standard error
 *   cat             standard input to standard output, three bytes at a time
 *   requests        names SIGINT and SIGTERM as they come; SIGTERM ends it
 *   status:NNN      that exit status
 *   device          the virtio device of the last transport
 *   flood           standard output without end
 *   halt            nothing, for ever
 *   fault           an end without a status
 */
asm(".code32");

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* The Xen PVH note and the entry (Xen, docs/misc/pvh.pandoc). */
asm(".pushsection .note.pvh,\"a\",@note\n"
    ".long 4, 8, 18\n"
    ".asciz \"Xen\"\n"
    ".quad _start\n"
    ".popsection\n"
    ".pushsection .boot,\"ax\"\n"
    ".globl _start\n"
    "_start: movl $stack_top, %esp\n"
    "pushl %ebx\n"
    "call guest_main\n"
    ".popsection\n"
    ".pushsection .bss.stack,\"aw\",@nobits\n"
    ".skip 8192\n"
    "stack_top:\n"
    ".popsection\n");

struct start_info {
	u32 magic, version, flags, module_count;
	u64 modules, command_line;
};

extern struct {
	u64 magic, program_base, program_entry, program_headers, program_header_count, root_start,
	    root_length, words_start, words_length, init_count, call_count, part_count;
	u64 init[];
} image_table;

static void out(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static u8 in(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void put(u16 port, const char *text)
{
	while (*text)
		out(port, *text++);
}

static void put_bytes(u64 start, u64 length)
{
	const char *next = (const char *)(u32)start;

	for (u32 left = length; left > 0; left--)
		out(0xe9, *next++);
}

static void put_line(const char *name, u64 start, u64 length)
{
	put(0xe9, name);
	put_bytes(start, length);
	out(0xe9, '\n');
}

static void end(u8 status)
{
	out(0xeb, status);
	for (;;)
		asm volatile("hlt");
}

/* COM1, a 16550, polled: data register and line status register. */
static u8 receive(void)
{
	while (!(in(0x3f8 + 5) & 1))
		;
	return in(0x3f8);
}

static void want(u16 count)
{
	out(0x3f8, 'W');
	out(0x3f8, count & 255);
	out(0x3f8, count >> 8);
}

static u8 receive_head(u16 *length)
{
	u8 kind = receive();

	*length = receive();
	*length |= receive() << 8;
	return kind;
}

static void cat(void)
{
	u16 length;
	u8 kind;

	do {
		want(3);
		kind = receive_head(&length);
		if (length > 3)
			end(99); /* more than was asked for */
		while (length-- > 0)
			out(0xe9, receive());
	} while (kind != 'E');
	end(0);
}

static void requests(void)
{
	u16 length;

	put(0xe9, "ready\n");
	for (;;) {
		switch (receive_head(&length)) {
		case 'I':
			put(0xe9, "interrupt\n");
			break;
		case 'T':
			put(0xe9, "terminate\n");
			end(3);
		}
	}
}

/* Whether a component left its mark. */
static const char *marks[8];
static u32 mark_count;

#define COMPONENT(name) \
	void init_##name(void) { marks[mark_count++] = "component " #name "\n"; }

COMPONENT(console)
COMPONENT(tarfs)
COMPONENT(ramfs)
COMPONENT(devfs)
COMPONENT(procfs)
COMPONENT(net)
COMPONENT(contract)

static void report(void)
{
	for (u32 i = 0; i < image_table.init_count; i++)
		((void (*)(void))(u32)image_table.init[i])();
	for (u32 i = 0; i < mark_count; i++)
		put(0xe9, marks[i]);
	put_line("program ", image_table.program_base + 1, 3);
	put_line("words ", image_table.words_start, image_table.words_length);
	put_line("root ", image_table.root_start, image_table.root_length);
	end(0);
}

/* The first two registers that tell what a virtio-mmio device is (virtio 1.2, 4.2.2). */
static void device(void)
{
	volatile u32 *registers = (volatile u32 *)0xfeb02e00;

	put(0xe9, registers[0] == 0x74726976 ? "virtio " : "nothing ");
	out(0xe9, '0' + registers[1]);
	out(0xe9, ' ');
	out(0xe9, '0' + registers[2]);
	out(0xe9, '\n');
	end(0);
}

/* Without an interrupt table the first exception resets the machine (triple fault). */
static void fault(void)
{
	static const struct { u16 limit; u32 base; } __attribute__((packed)) none;

	asm volatile("lidt %0; int3" : : "m"(none));
}

/* What follows the program's name among the last arguments on `line`, or nothing. */
static const char *command(const char *line)
{
	static const char name[] = "anykernel.arg=";
	const char *found = "", *word;
	u32 count = 0, i;

	for (word = line; *word; word++) {
		for (i = 0; name[i] && word[i] == name[i]; i++)
			;
		if (!name[i] && ++count == 2)
			found = word + i;
	}
	return found;
}

static int is(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return 0;
	return 1;
}

static u32 number(const char *text)
{
	u32 value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + *text++ - '0';
	return value;
}

void guest_main(struct start_info *info)
{
	const char *line = (const char *)(u32)info->command_line;
	const char *wish = command(line);

	if (is(wish, "report"))
		report();
	if (is(wish, "cat"))
		cat();
	if (is(wish, "requests"))
		requests();
	if (is(wish, "status:"))
		end(number(wish + 7));
	if (is(wish, "halt"))
		for (;;)
			asm volatile("cli; hlt");
	if (is(wish, "flood"))
		for (;;)
			put(0xe9, "flood\n");
	if (is(wish, "device"))
		device();
	if (is(wish, "fault"))
		fault();
	if (is(wish, "words")) {
		put(0xe9, line);
		end(0);
	}
	if (is(wish, "streams")) {
		put(0xe9, "output\n");
		put(0xea, "error\n");
		end(0);
	}
	put(0xea, "guest: what shall I do?\n");
	end(1);
}
