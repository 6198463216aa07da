/*
 * The declarations of libxcrypt that programs use. The header that comes with it is written for
 * the GNU C library; its binary interface (crypt(3), crypt_data) is the same everywhere.
 */
#ifndef ANYKERNEL_CRYPT_H
#define ANYKERNEL_CRYPT_H

#ifdef __cplusplus
extern "C" {
#endif

struct crypt_data {
	char output[384];
	char setting[384];
	char input[512];
	char reserved[767];
	char initialized;
	char internal[30720];
};

char *crypt(const char *phrase, const char *setting);
char *crypt_r(const char *phrase, const char *setting, struct crypt_data *data);

#ifdef __cplusplus
}
#endif

#endif
