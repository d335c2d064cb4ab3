// Nothing is called: the code that comes with this target runs by itself, before the program.

#ifndef CBRIDGEHELPER_H
#define CBRIDGEHELPER_H

#endif
